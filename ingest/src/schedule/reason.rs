//! Why then? In words for people.

use super::learnt::Learnt;
use super::worth::Outlook;

/// What decided the moment of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    /// It was never visited.
    New,
    /// Somebody, or the source's hub, asked for it.
    Asked,
    /// The last visits did not reach it.
    Failed,
    /// The source asks not to be visited before.
    Told,
    /// What waiting has cost.
    Worth,
    /// Another source of its host has changed.
    Kin,
    /// No source waits longer.
    Longest,
}

/// The reason as a short line.
pub(super) fn reason(because: Because, learnt: &Learnt, outlook: &Outlook, interval_max: f64) -> String {
    match because {
        Because::New => "new: visited as soon as the budget allows".to_owned(),
        Because::Asked => "asked for".to_owned(),
        Because::Failed if learnt.failures == 1 => "the last visit failed: tried again after a pause".to_owned(),
        Because::Failed => format!("the last {} visits failed: tried again after a pause", learnt.failures),
        Because::Kin => "another source of its host has changed".to_owned(),
        Because::Told => "the source asks not to be visited before".to_owned(),
        Because::Longest => format!(
            "changes {}; visited at least every {}",
            frequency(learnt.changes_per_hour()),
            duration(interval_max)
        ),
        Because::Worth => format!(
            "changes {}; {} of expected staleness by then",
            frequency(learnt.changes_per_hour()),
            duration(outlook.age_hours)
        ),
    }
}

/// "about 3 times a day".
fn frequency(per_hour: f64) -> String {
    let units = [(1.0, "an hour"), (24.0, "a day"), (168.0, "a week"), (730.0, "a month")];
    for (hours, unit) in units {
        let times = (per_hour * hours).round();
        match times as u64 {
            0 => {}
            1 => return format!("about once {unit}"),
            2 => return format!("about twice {unit}"),
            times => return format!("about {times} times {unit}"),
        }
    }
    "less than once a month".to_owned()
}

/// "40 min".
pub(super) fn duration(hours: f64) -> String {
    let minutes = hours * 60.0;
    match minutes {
        minutes if minutes < 1.0 => "under a minute".to_owned(),
        minutes if minutes < 90.0 => format!("{minutes:.0} min"),
        minutes if minutes < 48.0 * 60.0 => format!("{hours:.0} h"),
        _ => format!("{:.0} days", hours / 24.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_and_durations_read_as_people_say_them() {
        let said = [12.0, 1.0, 3.0 / 24.0, 2.0 / 168.0, 1.0 / 730.0, 1e-5].map(frequency);
        let expected = [
            "about 12 times an hour",
            "about once an hour",
            "about 3 times a day",
            "about twice a week",
            "about once a month",
            "less than once a month",
        ];
        assert_eq!(said, expected);
        let said = [0.001, 2.0 / 3.0, 5.0, 70.0].map(duration);
        assert_eq!(said, ["under a minute", "40 min", "5 h", "3 days"]);
    }
}
