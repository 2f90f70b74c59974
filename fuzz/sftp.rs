//! What holds for any bytes that an SFTP server sends.

use cu_agent::source::sftp::packets::{self, Answer, MAX_PACKET_BYTES};

/// A stream of packets as a server sends them: each is an answer or has a reason to be none, takes no more
/// memory than its bytes, and most mean the same with anything behind them.
pub fn sftp_packets(bytes: &[u8]) {
    let mut stream = bytes;
    while let Ok(Some(packet)) = packets::whole(stream) {
        assert!(packet.len() <= MAX_PACKET_BYTES && packet.len() + 4 <= stream.len());
        sftp_packet(packet);
        stream = &stream[packet.len() + 4..];
    }
    sftp_packet(bytes);
}

fn sftp_packet(packet: &[u8]) {
    let _ = packets::version(packet);
    let Ok((id, answer)) = packets::answer(packet) else { return };
    let held = match &answer {
        Answer::Status(status) => status.message.len(),
        Answer::Handle(handle) => handle.len(),
        Answer::Data(data) => data.len(),
        Answer::Names(names) => {
            assert!(names.len() * 12 <= packet.len());
            names.iter().map(|name| name.name.len()).sum()
        }
        Answer::Attributes(_) => 0,
    };
    assert!(held <= packet.len());
    // A status may go without its message, and so take what follows for it; behind names nothing may stand.
    if !matches!(answer, Answer::Status(_) | Answer::Names(_)) {
        let longer = [packet, b"\0\0\0\x01x"].concat();
        assert_eq!(packets::answer(&longer), Ok((id, answer)));
    }
}
