//! What people see of a day and of a month, as parts of a page: strings of HTML and SVG from the
//! model. The gateway's page and the reports draw with the same hand.
//!
//! Pure. What must never happen here: a meaning that only a colour carries; a text of a LOG file that
//! reaches the page unescaped; a script, a style attribute or an address of another place.
