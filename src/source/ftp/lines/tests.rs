use super::{
    super::listing::{list, mlsd},
    *,
};

fn at(text: &str) -> Option<NaiveDateTime> {
    Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap())
}

fn file(name: &str, size: u64, modified: Option<NaiveDateTime>) -> Row {
    Row { kind: Kind::File, name: name.into(), size: Some(size), modified }
}

#[test]
fn unix_lines_keep_every_blank_of_a_name() {
    let rows = list(
        "total 12\r\n\
         -rw-r--r--    1 1000     1000           12 May 28  2025 20250528.LOG\r\n\
         -rw-r--r--   1 cu cu 7 Nov  5 13:46   two  blanks .LOG\r\n\
         drwxr-xr-x+  2 cu Domain Users 4096 Jan 01  2024 DEM12 (PVC)\r\n\
         lrwxrwxrwx 1 cu cu 4 Jan 01 2024 x -> y\r\n\
         -rw-rw-rw- 1 cu 33 28 may 2025 swapped.LOG\r\n\
         -rw-r--r-- 1 cu cu 9 2025-05-28 05:08 iso.LOG\r\n\
         crw-rw-rw- 1 root root 1, 3 Jan 01 2024 null\r\n",
    );
    assert_eq!(rows.unreadable, 0);
    assert_eq!(rows.rows[0], file("20250528.LOG", 12, at("2025-05-28 00:00:00")));
    assert_eq!(rows.rows[1], file("  two  blanks .LOG", 7, None));
    assert_eq!(rows.rows[2].kind, Kind::Folder);
    assert_eq!(rows.rows[2].name, "DEM12 (PVC)");
    assert_eq!(rows.rows[3].kind, Kind::Other);
    assert_eq!(rows.rows[4], file("swapped.LOG", 33, at("2025-05-28 00:00:00")));
    assert_eq!(rows.rows[5], file("iso.LOG", 9, at("2025-05-28 05:08:00")));
    assert_eq!(rows.rows[6].kind, Kind::Other);
}

#[test]
fn dos_lines_are_read_with_their_time() {
    let rows = list(
        "06-03-25  09:01AM       <DIR>          DEMALU (ALU)\r\n\
         06-03-2025  12:30PM               40,960 20250603.LOG\r\n\
         06-03-25  12:05AM                   12  lead.LOG\r\n\
         05-28-25  13:46                      5 month first.LOG\r\n\
         06-03-25  09:01AM       <JUNCTION>     elsewhere [C:\\x]\r\n",
    );
    assert_eq!(rows.unreadable, 0);
    assert_eq!((rows.rows[0].kind, rows.rows[0].name.as_str()), (Kind::Folder, "DEMALU (ALU)"));
    assert_eq!(rows.rows[1], file("20250603.LOG", 40_960, at("2025-06-03 12:30:00")));
    assert_eq!(rows.rows[2], file(" lead.LOG", 12, at("2025-06-03 00:05:00")));
    assert_eq!(rows.rows[3], file("month first.LOG", 5, at("2025-05-28 13:46:00")));
    assert_eq!(rows.rows[4].kind, Kind::Other);
}

#[test]
fn absurd_numbers_cost_the_number_and_never_the_line() {
    for size in ["9223372036854775808", "-1", "+5", "99999999999999999999999999"] {
        let mlsd = mlsd(&format!("type=file;size={size};modify=00000101000000; a.LOG\r\n"));
        let unix = list(&format!("-rw-r--r-- 1 cu cu {size} Jan 01 9999 a.LOG\r\n"));
        let dos = list(&format!("06-13-26  09:01AM  {size} a.LOG\r\n"));
        for rows in [mlsd, unix, dos] {
            assert_eq!((rows.rows.len(), rows.rows[0].size), (1, None), "{size}");
            assert_eq!(rows.rows[0].name, "a.LOG");
        }
    }
    assert_eq!(timestamp("99991231235959"), None);
    assert_eq!(timestamp("00000101000000"), None);
}

#[test]
fn lines_of_many_servers_are_read() {
    let table = [
        ("-rw-r--r-- 1 cu cu 7 Jun 12 11:40 2026 a.LOG", at("2026-06-12 11:40:00")),
        ("-rw-r--r-- 1 cu cu 7 Jun 12 11:40:09 2026 a.LOG", at("2026-06-12 11:40:00")),
        ("-rw-r--r-- 1 cu cu 7 12 juin 2026 a.LOG", at("2026-06-12 00:00:00")),
        ("-rw-r--r-- 1 cu cu 7 ao\u{fb}t 12 2026 a.LOG", at("2026-08-12 00:00:00")),
        ("-rw-r--r-- 1 cu cu 7 12. M\u{e4}r 11:40 a.LOG", None),
        ("-rw-r--r-- 1 cu cu 7 2026-06-12 11:40 a.LOG", at("2026-06-12 11:40:00")),
        ("- [RWCEAFMS] cu 7 Jun 12 2026 a.LOG", at("2026-06-12 00:00:00")),
        ("      7    JUN-12-2026  11:40:00 a.LOG", at("2026-06-12 11:40:00")),
        ("06-13-26  11:40a  7 a.LOG", at("2026-06-13 11:40:00")),
        ("11-28-26  02:15PM                    7 a.LOG", at("2026-11-28 14:15:00")),
        ("28.11.2026  14:15  7 a.LOG", at("2026-11-28 14:15:00")),
        ("2026-11-28  02:15 PM  7 a.LOG", at("2026-11-28 14:15:00")),
        ("-rw-r--r-- 1 cu cu 7 f\u{e9}vr. 12 2026 a.LOG", at("2026-02-12 00:00:00")),
        ("-rw-r--r-- 1 cu cu 7 d\u{e9}c. 12 2026 a.LOG", at("2026-12-12 00:00:00")),
        ("-rw-r--r-- 1 cu cu 7 M\u{f7e4}r 12 2026 a.LOG", at("2026-03-12 00:00:00")),
        ("-rw-r--r-- 1 cu cu 7 Dez 12 2026 a.LOG", at("2026-12-12 00:00:00")),
        ("-rw-r--r-- 1 cu cu 7 12 gru 2026 a.LOG", at("2026-12-12 00:00:00")),
        (
            "-rw-r--r-- 1 cu cu 7 \u{399}\u{3bf}\u{3c5}\u{3bb} 12 2026 a.LOG",
            at("2026-07-12 00:00:00"),
        ),
        ("-rw-r--r-- 1 cu cu 7 ioul 12 2026 a.LOG", at("2026-07-12 00:00:00")),
        ("+i8388621.48594,m825718503,r,s7,\ta.LOG", None),
    ];
    for (line, modified) in table {
        for line in [line.to_owned(), format!("{line}   "), format!("\u{feff}{line}")] {
            let rows = list(&format!("{line}\r\n"));
            assert_eq!(rows.unreadable, 0, "{line}");
            assert_eq!(rows.rows, [file("a.LOG", 7, modified)], "{line}");
        }
    }
    let two_blanks = "-rw-r--r-- 1 cu cu 7 Jun 12 2026  a.LOG\r\n";
    assert_eq!(list(two_blanks).rows[0].name, "a.LOG");
    let vxworks = "  size          date       time       name\r\n\
         --------       ------     ------    --------\r\n\
         512    JAN-01-1980  00:00:00   DEM12 (PVC)       <DIR>\r\n";
    let rows = list(vxworks);
    assert_eq!((rows.unreadable, rows.rows[0].kind), (0, Kind::Folder));
    assert_eq!(rows.rows[0].name, "DEM12 (PVC)");
}

#[test]
fn facts_are_read_in_any_case_order_and_number_and_names_keep_their_signs() {
    let moment = at("2026-06-12 11:40:00");
    let table = [
        ("Type=FILE;SIZE=7;Modify=20260612114000; a.LOG", "a.LOG", Some(7), moment),
        ("modify=20260612114000;size=7; a; b.LOG", "a; b.LOG", Some(7), moment),
        ("size=7; a=b;c.log", "a=b;c.log", Some(7), None),
        (" a.LOG", "a.LOG", None, None),
        ("size=;modify=;type=file; a.LOG", "a.LOG", None, None),
        ("unique=1;perm=adfr;UNIX.mode=0644;size=1.234; a.LOG", "a.LOG", None, None),
    ];
    for (line, name, size, modified) in table {
        let rows = mlsd(&format!("{line}\r\n"));
        assert_eq!(rows.unreadable, 0, "{line}");
        let expected = Row { kind: Kind::File, name: name.into(), size, modified };
        assert_eq!(rows.rows, [expected], "{line}");
    }
}

#[test]
fn thousands_are_set_apart_in_dos_lines_and_links_are_no_files() {
    for size in ["40,960", "40.960", "40'960", "40960"] {
        let rows = list(&format!("06-13-26  09:01AM  {size} a.log\r\n"));
        assert_eq!(rows.rows, [file("a.log", 40_960, at("2026-06-13 09:01:00"))], "{size}");
    }
    let link = list("lrwxrwxrwx 1 cu cu 5 Jun 12 2026 a.LOG -> b.LOG\r\n");
    assert_eq!((link.unreadable, link.rows[0].kind), (0, Kind::Other));
}

#[test]
fn a_timestamp_must_be_a_real_moment() {
    assert_eq!(timestamp("20250528050854.5"), at("2025-05-28 05:08:54"));
    for text in ["", "2025052805085", "20251328050854", "2025052805085x", "１2345678901234"] {
        assert_eq!(timestamp(text), None, "{text}");
    }
}
