//! Serves a [`Disk`] to one emulator over a socket, in as much of the NBD protocol as qemu speaks
//! (`doc/proto.md` of the NBD project): fixed new style, simple replies, flush and FUA.

use std::{
    io::{BufReader, Error, ErrorKind, Read, Result, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use crate::disk::Disk;

const MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

const FIXED_NEW_STYLE_NO_ZEROES: u16 = 3;
/// There are flags, FLUSH and FUA are understood.
const EXPORT_FLAGS: u16 = 1 | 4 | 8;
const FUA: u16 = 1;

const OPTION_ABORT: u32 = 2;
const OPTION_GO: u32 = 7;
const REPLY_ACK: u32 = 1;
const REPLY_INFO: u32 = 3;
const REPLY_UNSUPPORTED: u32 = (1 << 31) + 1;

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;

/// Serves the next connection to `socket`; the thread ends with it.
pub fn serve(socket: &Path, disk: Arc<Mutex<Disk>>) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        // An emulator that is killed ends in the middle of anything.
        if let Err(error) = talk(stream, &disk) {
            let is_end =
                [ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(is_end.contains(&error.kind()), "the disk's server: {error}");
        }
    })
}

fn talk(mut stream: UnixStream, disk: &Mutex<Disk>) -> Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    stream.write_all(&MAGIC.to_be_bytes())?;
    stream.write_all(&OPTION_MAGIC.to_be_bytes())?;
    stream.write_all(&FIXED_NEW_STYLE_NO_ZEROES.to_be_bytes())?;
    input.read_exact(&mut [0; 4])?;
    loop {
        let _magic = take_u64(&mut input)?;
        let option = take_u32(&mut input)?;
        let length = take_u32(&mut input)?;
        input.read_exact(&mut vec![0; length as usize])?;
        match option {
            OPTION_GO => {
                let mut export = vec![0, 0];
                export.extend(disk.lock().unwrap().bytes().to_be_bytes());
                export.extend(EXPORT_FLAGS.to_be_bytes());
                answer(&mut stream, option, REPLY_INFO, &export)?;
                answer(&mut stream, option, REPLY_ACK, &[])?;
                break;
            }
            OPTION_ABORT => return answer(&mut stream, option, REPLY_ACK, &[]),
            _ => answer(&mut stream, option, REPLY_UNSUPPORTED, &[])?,
        }
    }
    loop {
        if take_u32(&mut input)? != REQUEST_MAGIC {
            return Err(Error::new(ErrorKind::InvalidData, "no request"));
        }
        let flags = take_u16(&mut input)?;
        let what = take_u16(&mut input)?;
        let handle = take_u64(&mut input)?;
        let offset = take_u64(&mut input)?;
        let length = take_u32(&mut input)? as usize;
        let mut reply = [REPLY_MAGIC.to_be_bytes(), [0; 4]].concat();
        reply.extend(handle.to_be_bytes());
        match what {
            READ => {
                let head = reply.len();
                reply.resize(head + length, 0);
                disk.lock().unwrap().read(offset, &mut reply[head..]);
            }
            WRITE => {
                let mut bytes = vec![0; length];
                input.read_exact(&mut bytes)?;
                let mut disk = disk.lock().unwrap();
                disk.write(offset, bytes);
                if flags & FUA != 0 {
                    // More than asked for; the guest's driver does not use it.
                    disk.flush();
                }
            }
            FLUSH => disk.lock().unwrap().flush(),
            DISCONNECT => return Ok(()),
            other => return Err(Error::new(ErrorKind::InvalidData, format!("request {other}"))),
        }
        stream.write_all(&reply)?;
    }
}

fn answer(stream: &mut UnixStream, option: u32, what: u32, data: &[u8]) -> Result<()> {
    stream.write_all(&OPTION_REPLY_MAGIC.to_be_bytes())?;
    stream.write_all(&option.to_be_bytes())?;
    stream.write_all(&what.to_be_bytes())?;
    stream.write_all(&u32::try_from(data.len()).unwrap().to_be_bytes())?;
    stream.write_all(data)
}

fn take_u16(input: &mut impl Read) -> Result<u16> {
    let mut bytes = [0; 2];
    input.read_exact(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}

fn take_u32(input: &mut impl Read) -> Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn take_u64(input: &mut impl Read) -> Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}
