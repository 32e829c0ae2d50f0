//! Case × database, and what differs.

use super::cases::Case;
use super::cx::Halt;
use super::target::Target;
use super::{Outcome, version_of};
use serde_json::{Value, json};
use std::io::Write as _;

/// A cell of the table.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Ok,
    /// Where the notes differ from the simulator's: path, simulator's, real one's.
    Differs(Vec<(String, Value, Value)>),
    Fails(String),
    NotProvoked(String),
    Skipped(String),
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Differs(_) => "DIFFERS",
            Self::Fails(_) => "FAILS",
            Self::NotProvoked(_) => "not provoked",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// Everything that came out.
#[derive(Debug)]
pub(super) struct Table {
    cases: Vec<&'static Case>,
    names: Vec<String>,
    /// By database, then by case.
    outcomes: Vec<Vec<Outcome>>,
    verdicts: Vec<Vec<Verdict>>,
}

impl Table {
    pub(super) fn new(
        cases: &[&'static Case],
        targets: &[Target],
        outcomes: Vec<Vec<Outcome>>,
    ) -> Self {
        let mut verdicts = Vec::new();
        for (target, column) in targets.iter().zip(&outcomes) {
            let simulator = targets
                .iter()
                .position(|t| {
                    t.sim.is_some() && version_of(t.version) == version_of(target.version)
                })
                .filter(|_| target.sim.is_none())
                .and_then(|at| outcomes.get(at));
            let judged = column.iter().enumerate();
            let judged =
                judged.map(|(at, outcome)| judge(outcome, simulator.and_then(|s| s.get(at))));
            verdicts.push(judged.collect());
        }
        Self {
            cases: cases.to_vec(),
            names: targets.iter().map(|t| t.name.clone()).collect(),
            outcomes,
            verdicts,
        }
    }

    /// Whether nothing fails and nothing differs.
    pub(super) fn holds(&self) -> bool {
        let mut all = self.verdicts.iter().flatten();
        all.all(|v| !matches!(v, Verdict::Fails(_) | Verdict::Differs(_)))
    }

    pub(super) fn print(&self) {
        let mut text = String::new();
        let wide = self
            .cases
            .iter()
            .map(|c| c.title().len())
            .max()
            .unwrap_or(0)
            .max(4);
        let row = |first: &str, cells: Vec<&str>| {
            let cells: Vec<String> = cells.iter().map(|c| format!("{c:<13}")).collect();
            format!("{first:<wide$}  {}", cells.concat())
                .trim_end()
                .to_owned()
                + "\n"
        };
        text += &row("case", self.names.iter().map(String::as_str).collect());
        for (at, case) in self.cases.iter().enumerate() {
            let cells = self
                .verdicts
                .iter()
                .filter_map(|v| v.get(at))
                .map(Verdict::word);
            text += &row(&case.title(), cells.collect());
        }
        text += &self.details();
        text.push('\n');
        for (name, column) in self.names.iter().zip(&self.verdicts) {
            text += &format!("{name}: {}\n", summary(column));
        }
        // A closed terminal must not end the run.
        drop(std::io::stdout().write_all(text.as_bytes()));
    }

    fn details(&self) -> String {
        let mut text = String::new();
        for (at, case) in self.cases.iter().enumerate() {
            for (name, column) in self.names.iter().zip(&self.verdicts) {
                let why = match column.get(at) {
                    None | Some(Verdict::Ok) => continue,
                    Some(
                        Verdict::Fails(why) | Verdict::NotProvoked(why) | Verdict::Skipped(why),
                    ) => why.clone(),
                    Some(Verdict::Differs(places)) => {
                        let places = places.iter().map(|(path, sim, real)| {
                            format!("\n    {path}: simulated {sim}, real {real}")
                        });
                        places.collect::<Vec<_>>().concat()
                    }
                };
                let word = column.get(at).map_or("", Verdict::word);
                text += &format!(
                    "\n{} on {name} {word}: {why}\n  Waybill relies on: {}\n",
                    case.title(),
                    case.relies
                );
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let cell = |case: usize, target: usize| {
            let outcome = self.outcomes.get(target)?.get(case)?;
            let verdict = self.verdicts.get(target)?.get(case)?;
            let why = match verdict {
                Verdict::Ok => Value::Null,
                Verdict::Fails(why) | Verdict::NotProvoked(why) | Verdict::Skipped(why) => {
                    json!(why)
                }
                Verdict::Differs(places) => json!(places),
            };
            Some(
                json!({"verdict": verdict.word(), "why": why, "took_ms": outcome.took.as_millis() as u64, "notes": outcome.notes}),
            )
        };
        let rows = self.cases.iter().enumerate().map(|(at, case)| {
            let cells = self.names.iter().enumerate();
            let cells: serde_json::Map<String, Value> = cells
                .filter_map(|(target, name)| Some((name.clone(), cell(at, target)?)))
                .collect();
            json!({"case": case.title(), "relies": case.relies, "at": cells})
        });
        let columns = self.names.iter().zip(&self.verdicts);
        let summary: serde_json::Map<String, Value> = columns
            .map(|(name, column)| (name.clone(), json!(summary(column))))
            .collect();
        json!({"cases": rows.collect::<Vec<_>>(), "summary": summary})
    }
}

fn summary(column: &[Verdict]) -> String {
    let words = ["ok", "DIFFERS", "FAILS", "not provoked", "skipped"];
    let counts = words.map(|word| (word, column.iter().filter(|v| v.word() == word).count()));
    let told = counts
        .iter()
        .filter(|(word, count)| *count > 0 || *word == "ok");
    let told: Vec<String> = told
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    format!("{} cases: {}", column.len(), told.join(", "))
}

fn judge(outcome: &Outcome, simulated: Option<&Outcome>) -> Verdict {
    match &outcome.halt {
        Some(Halt::Broken(why)) => return Verdict::Fails(why.clone()),
        Some(Halt::NotProvoked(why)) => return Verdict::NotProvoked(why.clone()),
        Some(Halt::Skipped(why)) => return Verdict::Skipped(why.clone()),
        None => {}
    }
    let Some(simulated) = simulated.filter(|s| s.halt.is_none()) else {
        return Verdict::Ok;
    };
    let mut places = Vec::new();
    differences(
        "",
        &json!(simulated.notes),
        &json!(outcome.notes),
        &mut places,
    );
    if places.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Differs(places)
    }
}

/// The places where two values differ.
fn differences(path: &str, left: &Value, right: &Value, places: &mut Vec<(String, Value, Value)>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(name).cloned().unwrap_or(Value::Null)
                };
                differences(&format!("{path}/{name}"), &of(a), &of(b), places);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (one, other)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}/{at}"), one, other, places);
            }
        }
        _ if left == right => {}
        _ => places.push((path.to_owned(), left.clone(), right.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn outcome(halt: Option<Halt>, notes: Value) -> Outcome {
        Outcome {
            halt,
            notes: notes.as_object().unwrap().clone(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_difference_is_told_with_its_place() {
        let sim = outcome(
            None,
            json!({"orders": [{"state": "sale", "total": "1.00"}], "same": 1}),
        );
        let real = outcome(
            None,
            json!({"orders": [{"state": "draft", "total": "1.00"}], "same": 1}),
        );
        let place = ("/orders/0/state".to_owned(), json!("sale"), json!("draft"));
        assert_eq!(judge(&real, Some(&sim)), Verdict::Differs(vec![place]));
        assert_eq!(judge(&sim, Some(&sim)), Verdict::Ok);
    }

    #[test]
    fn what_did_not_come_about_is_never_ok_and_a_broken_simulator_is_not_compared_with() {
        let missed = outcome(Some(Halt::NotProvoked("no".to_owned())), json!({}));
        let broken = outcome(Some(Halt::Broken("no".to_owned())), json!({"a": 1}));
        let fine = outcome(None, json!({"a": 2}));
        assert_eq!(judge(&missed, Some(&fine)).word(), "not provoked");
        assert_eq!(judge(&fine, Some(&broken)), Verdict::Ok);
        assert_eq!(judge(&broken, None).word(), "FAILS");
        let column = [
            judge(&missed, None),
            judge(&fine, None),
            judge(&broken, None),
        ];
        assert_eq!(summary(&column), "3 cases: 1 ok, 1 FAILS, 1 not provoked");
    }
}
