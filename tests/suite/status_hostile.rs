//! Bytes that no browser sends, at the listening port of the real service: it lives, stays small, keeps
//! its log clean, and answers whoever asks in order meanwhile.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    agent::Agent,
    folder::Folder,
    http::{connect, get},
    measure::memory,
};

/// `PAGE_SEEDS=500` tries more of them.
const SEEDS: u64 = 24;
const MOST_RESIDENT_KIB: u64 = 64 << 10;
const WITHIN: Duration = Duration::from_secs(5);
/// Connections that are opened and left, many times the places there are.
const LEFT_OPEN: usize = 1500;

/// A request, or what passes for one.
fn hostile(random: &mut fastrand::Rng) -> Vec<u8> {
    let noise = |random: &mut fastrand::Rng, most| {
        let length = random.usize(1..most);
        (0..length).map(|_| random.u8(..)).collect::<Vec<u8>>()
    };
    let head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n".as_slice();
    match random.u32(0..12) {
        0 => noise(random, 70_000),
        1 => head[..random.usize(1..head.len())].to_vec(),
        2 => [head, &b"A: b\r\n".repeat(random.usize(1..20_000))].concat(),
        3 => [head, b"X: ", &vec![b'x'; random.usize(1..3_000_000)]].concat(),
        4 => [
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
            noise(random, 5000).as_slice(),
        ]
        .concat(),
        5 => {
            let begin = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
            let sizes = ["FFFFFFFFFFFFFFFF", "-1", "0x10", "5;\x1b[2J=\0", "zz"];
            let size = sizes[random.usize(0..sizes.len())].as_bytes();
            [begin, size, b"\r\n", &noise(random, 500)].concat()
        }
        6 => [head, b"\r\n"].concat().repeat(random.usize(2..2000)),
        7 => [
            b"GET /\0\x1b[2J\x9b HTTP/1.1\r\nHost: \x1b]0;x\x07\r\n\r\n",
            noise(random, 9).as_slice(),
        ]
        .concat(),
        8 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0".to_vec(),
        9 => [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", noise(random, 500).as_slice()].concat(),
        10 => [
            b"GET /%1B%5B2J%E2%80%AE?machine=%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            noise(random, 9).as_slice(),
            b"\r\n\r\n",
        ]
        .concat(),
        _ => {
            // An honest request with a few bytes changed.
            let mut bytes = [head, b"Accept-Language: fr\r\nConnection: close\r\n\r\n"].concat();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes
        }
    }
}

/// Sends what the server takes, and keeps the connection.
fn send(page: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(page);
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // It may close, or stop taking, at any byte.
    stream.write_all(bytes).ok();
    stream
}

fn threads(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).unwrap().count()
}

#[track_caller]
fn is_answered(page: SocketAddr, context: &str) {
    let begun = Instant::now();
    get(page, "/").is(200);
    assert!(begun.elapsed() < WITHIN, "{context}: {:?}", begun.elapsed());
}

#[test]
fn no_bytes_at_the_pages_port_stop_the_service_make_it_grow_or_soil_its_log() {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1 A\n");
    let agent = Agent::on_directory(folder.path())
        .with("status.listen", "127.0.0.1:0")
        .with("agent.log_level", "debug");
    let mut running = agent.run();
    running.wait_for_line("cycle:");
    let (page, process) = (running.page(), running.id());
    is_answered(page, "at first");
    let at_first = threads(process);
    let mut held = Vec::new();
    let seeds = std::env::var("PAGE_SEEDS").map_or(SEEDS, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..10 {
            held.push(send(page, &hostile(&mut random)));
        }
        is_answered(page, &format!("seed {seed}"));
        // One that drips, beside the others.
        for stream in held.iter_mut().rev().take(10) {
            stream.write_all(b"x").ok();
        }
        held.truncate(200);
    }
    drop(held);
    let left: Vec<TcpStream> = (0..LEFT_OPEN).map(|_| connect(page)).collect();
    is_answered(page, "beside connections that say nothing");
    assert!(threads(process) <= at_first, "no thread a client");
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    assert!(open < 150, "{open} open files beside {} connections", left.len());
    drop(left);
    is_answered(page, "when they are gone");
    let peak_kib = memory(process).unwrap().peak;
    assert!(peak_kib < MOST_RESIDENT_KIB, "{peak_kib} KiB");
    assert!(running.is_running());
    let (output, _) = running.terminate();
    let output = output.succeeded();
    let odd = output.stderr.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
    assert_eq!(odd, None, "{output}");
    assert!(!output.stderr.contains("panicked"), "{output}");
}
