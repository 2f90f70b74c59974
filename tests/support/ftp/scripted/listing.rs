//! What a folder of the script is listed as, in each way of listing.

use std::io;

use super::{Script, Session, Stat};

impl Session<'_> {
    /// STAT as servers answer it, or do not.
    pub(super) fn say_status(&mut self, script: &Script, argument: &[u8]) -> io::Result<()> {
        let path = argument.strip_prefix(b"/").unwrap_or(argument);
        let listing = match script.stat {
            Stat::Unknown => return self.say("502 not here"),
            Stat::TellsOfTheServer => b" logged in as cu, in binary type\r\n".to_vec(),
            Stat::ListsWhereItStands => self.listing(script, "LIST"),
            Stat::ListsThePath | Stat::ListsNames => {
                let verb = if script.stat == Stat::ListsNames { "NLST" } else { "LIST" };
                let stands_in = std::mem::replace(&mut self.here, path.to_vec());
                let is_there = self.here.is_empty() || script.tree.contains_key(&self.here);
                let listing = if is_there { self.listing(script, verb) } else { Vec::new() };
                self.here = stands_in;
                listing
            }
        };
        self.write(&[b"213-Status follows:\r\n", &listing[..], b"213 End of status\r\n"].concat())
    }

    /// The answer to `verb` (MLSD, LIST or NLST) in the folder that the client is in.
    pub(super) fn listing(&self, script: &Script, verb: &str) -> Vec<u8> {
        let mut text = Vec::new();
        let quirks = &script.quirks;
        if quirks.mark {
            text.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let (before, behind) = if verb == "NLST" { (0, 0) } else { quirks.blanks };
        let month = if quirks.french { "juin" } else { "Jun" };
        let year = if quirks.year_last { "05:11 2025" } else { " 2025" };
        let path = [b"/", self.here.as_slice(), b"/"].concat();
        let path = if quirks.paths && !self.here.is_empty() { path.as_slice() } else { b"" };
        if quirks.empty_mlsd && verb == "MLSD" {
            return text;
        }
        let mut line = |start: String, name: &[u8]| {
            text.extend_from_slice(start.as_bytes());
            text.extend(std::iter::repeat_n(b' ', before));
            text.extend_from_slice(path);
            text.extend_from_slice(name);
            text.extend(std::iter::repeat_n(b' ', behind));
            text.extend_from_slice(b"\r\n");
        };
        if self.here.is_empty() {
            for folder in script.tree.keys() {
                let start = match verb {
                    "MLSD" => "type=dir;modify=20250603051112; ".into(),
                    "LIST" if script.dos_style => "06-03-25  05:11AM       <DIR>          ".into(),
                    "LIST" => format!("drwxr-xr-x   2 cu cu 4096 {month}  3 {year} "),
                    _ => String::new(),
                };
                line(start, folder);
            }
            return text;
        }
        for (name, bytes) in &script.tree[&self.here] {
            let size = bytes.len() as u64 + script.listed_sizes_lie_by;
            let start = match verb {
                "MLSD" => format!("type=file;size={size};modify=20250603051112; "),
                "LIST" if script.dos_style => format!("06-03-25  05:11AM {size:>20} "),
                "LIST" => format!("-rw-r--r--   1 cu cu {size:>8} {month}  3 {year} "),
                _ if script.whole_paths => {
                    format!("/{}/", self.here.iter().map(|b| char::from(*b)).collect::<String>())
                }
                _ => String::new(),
            };
            line(start, name);
        }
        text
    }
}
