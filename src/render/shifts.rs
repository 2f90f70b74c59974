//! Planned shifts with their breaks behind a time line, and their names above it. A name that has no room is
//! shortened: nothing is drawn over the border of its shift.

use std::fmt::Write;

use maud::{Markup, html};

use super::{Axis, timeline::place};
use crate::model::Stamp;

/// A shift that the calendar plans, or its part of a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PlannedShift {
    pub name: String,
    pub from: Stamp,
    pub to: Stamp,
    /// Inside the shift, in order, none of them empty.
    pub breaks: Vec<(Stamp, Stamp)>,
}

impl PlannedShift {
    /// Planned from and to, of which the day has `opening`; what of that is not `work` is a break.
    pub(crate) fn of(
        name: &str,
        (from, to): (Stamp, Stamp),
        opening: (Stamp, Stamp),
        work: impl IntoIterator<Item = (Stamp, Stamp)>,
    ) -> Self {
        let (mut breaks, mut end) = (Vec::new(), opening.0);
        for (from, to) in work.into_iter().chain([(opening.1, opening.1)]) {
            if end < from {
                breaks.push((end, from));
            }
            end = to;
        }
        Self { name: name.to_owned(), from, to, breaks }
    }

    /// The shift without its breaks, in order.
    pub(crate) fn work(&self) -> impl Iterator<Item = (Stamp, Stamp)> {
        let begins = [self.from].into_iter().chain(self.breaks.iter().map(|(_, to)| *to));
        let ends = self.breaks.iter().map(|(from, _)| *from).chain([self.to]);
        begins.zip(ends).filter(|(from, to)| from < to)
    }
}

/// The room that the names take above the band.
pub(super) const NAMES_HEIGHT: i32 = 26;
/// Letters over the width of a telephone.
const MOST_LETTERS: i64 = 40;

/// The time of work as rectangles, of each what the drawing has of it.
pub(super) fn areas(shifts: &[PlannedShift], axis: Axis, coarse: usize) -> String {
    let mut path = String::new();
    let column = |at: Stamp| axis.column(at) / coarse;
    let work = shifts.iter().flat_map(PlannedShift::work);
    for (from, to) in work.map(|(from, to)| (column(from), column(to))) {
        if from < to {
            write!(path, "M{from} 0h{}v64H{from}z", to - from).expect("a string grows");
        }
    }
    path
}

/// A bar for each shift with gaps for its breaks, and its name.
pub(super) fn names(shifts: &[PlannedShift], axis: Axis) -> Markup {
    let places = |from: Stamp, to: Stamp| {
        let (from, to) = (axis.place_e2(from), axis.place_e2(to));
        (from < to).then_some((from, to - from))
    };
    let bar = |class: &str, (from, width): (i64, i64)| {
        html! {
            rect class=(class) x=(place(from)) width=(place(width)) y="17" height="6" {}
        }
    };
    html! {
        @for shift in shifts {
            @if let Some((from, width)) = places(shift.from, shift.to) {
                @for at in shift.work().filter_map(|(from, to)| places(from, to)) { (bar("work", at)) }
                @for at in shift.breaks.iter().filter_map(|(from, to)| places(*from, *to)) {
                    (bar("pause", at))
                }
                line.edge x1=(place(from)) x2=(place(from)) y1="2" y2="23" {}
                @if let Some(name) = shortened(&shift.name, width) {
                    text.name x=(place(from)) dx="5" y="12" { (name) }
                }
            }
        }
    }
}

/// As much of a name as has room in `width_e2` hundredths of a percent; `None`: too little.
fn shortened(name: &str, width_e2: i64) -> Option<String> {
    let room = usize::try_from(width_e2 * MOST_LETTERS / 10_000).unwrap_or(0);
    if name.chars().count() <= room {
        return Some(name.to_owned());
    }
    (room >= 4).then(|| {
        let kept: String = name.chars().take(room - 1).collect();
        format!("{}…", kept.trim_end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64, minute: i64) -> Stamp {
        Stamp::from_seconds(1_748_390_400 + hour * 3600 + minute * 60)
    }

    #[test]
    fn a_shift_is_drawn_with_gaps_for_its_breaks_and_what_lies_outside_is_not() {
        let shift = PlannedShift {
            name: "<matin>".into(),
            from: at(5, 0),
            to: at(13, 0),
            breaks: vec![(at(9, 0), at(9, 20))],
        };
        let axis = Axis::between(at(8, 0), at(18, 0));
        let work: Vec<_> = shift.work().collect();
        assert_eq!(work, [(at(5, 0), at(9, 0)), (at(9, 20), at(13, 0))]);
        let shifts = [shift];
        assert_eq!(areas(&shifts, axis, 1), "M0 0h600v64H0zM800 0h2200v64H800z");
        let drawn = names(&shifts, axis).into_string();
        assert!(drawn.contains("&lt;matin&gt;</text>"), "{drawn}");
        assert_eq!(drawn.matches("class=\"pause\"").count(), 1);
        let later = Axis::between(at(14, 0), at(18, 0));
        assert_eq!(names(&shifts, later).into_string(), "");
        assert_eq!(areas(&shifts, later, 1), "");
    }

    #[test]
    fn a_name_is_as_long_as_its_shift() {
        assert_eq!(shortened("matin", 10_000).as_deref(), Some("matin"));
        assert_eq!(shortened("équipe du matin", 2_500).as_deref(), Some("équipe du…"));
        assert_eq!(shortened("équipe du matin", 700), None);
    }
}
