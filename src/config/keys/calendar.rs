//! The rows of `[[calendar]]` and of its shifts.

use chrono::Weekday;

use super::super::{
    explained::{
        Explained,
        Show::{InSample, OffAs},
        Topic,
    },
    key::{
        Accepts::{Text, Words},
        Defaulted, Key, defaulted, key,
    },
    units::{at_most_100, dates, days, opening, shift_hours},
};
use crate::{
    calendar::{Holidays, Hours, Opening},
    model::Day,
};

section! {
    CalendarKeys, "# [[calendar]]",
    "When machines are planned to work (docs/trs.md); `cu-agent calendar --date 2025-06-03` prints what a day is \
     planned as. Where central has a calendar for a machine (`cu-agent central calendar put`), that one counts. One [[calendar]] per group of machines with the same shifts. A shift counts for the date on which \
     it begins.",
    r#"# machines = ["DEM12", "DEMALU"]
# holidays = "fr"
# closed = ["2025-05-30", "2025-08-04/2025-08-24"]
# open = ["2025-05-31 06:00-12:00"]"#;

    MACHINES: Key<String> = key("machines", Text("names of machines (nom)", at_most_100)),
    InSample,
    "Names (nom); without this key: every machine that no other [[calendar]] names.";

    HOLIDAYS: Defaulted<Holidays> = defaulted(
        "holidays",
        "none",
        Words(&[
            ("none", Holidays::None),
            ("fr", Holidays::France),
            ("fr-alsace-moselle", Holidays::AlsaceMoselle),
        ]),
    ),
    InSample,
    "Public holidays without shifts.";

    CLOSED: Key<(Day, Day)> = key(
        "closed",
        Text(r#"a date such as "2025-05-30", or two with a slash, the earlier first"#, dates),
    ),
    InSample,
    "Dates without shifts, one by one or from the first to the last.";

    OPEN: Key<Opening> =
        key("open", Text(r#"a date and a time such as "2025-05-31 06:00-12:00""#, opening)),
    InSample,
    "Extra shifts, also on closed dates and holidays.";
}

section! {
    ShiftKeys, "# [[calendar.shift]]", "", r#"# breaks = ["09:00-09:20"]"#;

    NAME: Key<String> = key("name", Text("a name of 1 to 100 characters", at_most_100)),
    OffAs("matin"),
    "The shift's name.";

    DAYS: Key<Vec<Weekday>> =
        key("days", Text(r#"days of the week such as "mon-fri" or "mon-thu sat""#, days)),
    OffAs("mon-fri"),
    "On which it begins.";

    TIME: Key<Hours> = key("time", Text(r#"a time such as "05:00-13:00""#, shift_hours)),
    OffAs("05:00-13:00"),
    "An end that is not after the beginning is on the next day.";

    BREAKS: Key<Hours> = key("breaks", Text(r#"a time such as "09:00-09:20""#, shift_hours)),
    InSample,
    "Times inside the shift that are not required.";
}
