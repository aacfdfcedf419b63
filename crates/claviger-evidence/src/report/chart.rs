//! Where things lie in the charts of the report, in whole units: the templates draw them.

use std::collections::BTreeMap;

use claviger_compliance::control::{Area, Mode};
use claviger_compliance::evaluation::{ControlResult, Period, Violation};
use claviger_compliance::{Evaluation, Verdict};
use claviger_core::Timestamp;

use super::words;
use crate::inventory::{Inventory, RingLine};
use crate::pack::instant;

/// Results of each area, a bar each.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) height: u64,
    pub(super) bars: Vec<Bar>,
}

/// The results of an area.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) top: u64,
    pub(super) baseline: u64,
    pub(super) segments: Vec<Segment>,
}

/// The results of one kind.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: String,
    pub(super) left: u64,
    pub(super) width: u64,
    pub(super) middle: u64,
    pub(super) style: &'static str,
    pub(super) word: &'static str,
    pub(super) number: u64,
}

impl Bars {
    const LEFT: u64 = 230;
    const WIDTH: u64 = 520;
    const ROW: u64 = 30;
    const HEAD: u64 = 36;

    pub(super) fn of(evaluation: &Evaluation) -> Self {
        let mut counts = BTreeMap::<Area, BTreeMap<Verdict, u64>>::new();
        for result in &evaluation.results {
            *counts.entry(result.control.area()).or_default().entry(result.result).or_default() += 1;
        }
        let most = counts.values().map(|of_area| of_area.values().sum::<u64>()).max().unwrap_or(1);
        let unit = (Self::WIDTH / most.max(1)).clamp(1, 26);
        let mut bars = Vec::new();
        for (area, of_area) in counts {
            let top = Self::HEAD + Self::ROW * words::count(bars.len());
            bars.push(Bar {
                code: area.name(),
                title: words::area(area),
                top: top + 5,
                baseline: top + 19,
                segments: segments(area, &of_area, unit),
            });
        }
        Self { height: Self::HEAD + Self::ROW * words::count(bars.len()) + 6, bars }
    }
}

fn segments(area: Area, counts: &BTreeMap<Verdict, u64>, unit: u64) -> Vec<Segment> {
    let mut left = Bars::LEFT;
    let mut segments = Vec::new();
    for (verdict, number) in counts {
        let width = number * unit;
        segments.push(Segment {
            id: format!("f-chart-{area}-{}", words::style(*verdict)),
            left,
            width,
            middle: left + width / 2,
            style: words::style(*verdict),
            word: verdict.name(),
            number: *number,
        });
        left += width;
    }
    segments
}

/// What wraps what: the root, the KEKs of rings, versions of keys.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub(super) height: u64,
    pub(super) roots: Vec<RootBox>,
    pub(super) rings: Vec<RingBox>,
    /// How many rings are not drawn.
    pub(super) more: u64,
}

/// A key of the root.
#[derive(Debug)]
pub(super) struct RootBox {
    pub(super) top: u64,
    pub(super) first: u64,
    pub(super) second: u64,
    pub(super) label: String,
    pub(super) shown: String,
    pub(super) how: String,
}

/// A ring, with what lies under its KEK.
#[derive(Debug)]
pub(super) struct RingBox {
    pub(super) top: u64,
    pub(super) middle: u64,
    pub(super) first: u64,
    pub(super) second: u64,
    pub(super) from: u64,
    pub(super) id: String,
    pub(super) shown: String,
    pub(super) keys: String,
    pub(super) versions: String,
    pub(super) versions_shown: String,
    pub(super) wraps: String,
}

#[derive(Default)]
struct Under<'i> {
    versions: u64,
    states: BTreeMap<&'i str, u64>,
    wraps: BTreeMap<&'i str, u64>,
}

impl Hierarchy {
    const MOST: usize = 20;
    const ROW: u64 = 46;
    const ROOT_ROW: u64 = 62;

    pub(super) fn of(inventory: &Inventory) -> Self {
        let ring_of: BTreeMap<&str, &str> =
            inventory.keys.iter().map(|key| (key.id.as_str(), key.ring.as_str())).collect();
        let mut under = BTreeMap::<&str, Under<'_>>::new();
        for version in &inventory.versions {
            let Some(ring) = ring_of.get(version.key.as_str()) else { continue };
            let under = under.entry(*ring).or_default();
            under.versions += 1;
            *under.states.entry(version.state.as_str()).or_default() += 1;
            *under.wraps.entry(version.wrapped_by.as_deref().unwrap_or_default()).or_default() += 1;
        }
        let versions_of = |ring: &RingLine| under.get(ring.id.as_str()).map_or(0, |under| under.versions);
        let mut rings: Vec<&RingLine> = inventory.rings.iter().collect();
        rings.sort_by(|a, b| versions_of(b).cmp(&versions_of(a)).then_with(|| a.id.cmp(&b.id)));
        let more = words::count(rings.len().saturating_sub(Self::MOST));
        rings.truncate(Self::MOST);
        // The largest are drawn; those under one root lie together.
        rings.sort_by_cached_key(|ring| root_of(ring));

        let mut labels: Vec<_> = rings.iter().map(|ring| root_of(ring)).collect();
        labels.dedup();
        let rows = Self::ROW * words::count(rings.len()) + if more > 0 { Self::ROW } else { 0 };
        let height = rows.max(Self::ROOT_ROW * words::count(labels.len())).max(Self::ROW);
        let slot = height / words::count(labels.len()).max(1);
        let center = |place: usize| slot * words::count(place) + slot / 2;
        let boxes = rings.iter().enumerate().map(|(place, ring)| {
            let top = Self::ROW * words::count(place) + 5;
            let root = labels.iter().position(|label| *label == root_of(ring)).unwrap_or_default();
            ring_box(ring, under.get(ring.id.as_str()), top, center(root))
        });
        let boxes = boxes.collect();
        let roots = labels.iter().enumerate().map(|(place, root)| {
            let top = center(place).saturating_sub(24);
            let (label, how) = root.clone();
            let shown = shortened(&label, 24);
            RootBox { top, first: top + 20, second: top + 37, label, shown, how }
        });
        Self { height, roots: roots.collect(), rings: boxes, more }
    }
}

/// What wraps the KEK of a ring, and how.
fn root_of(ring: &RingLine) -> (String, String) {
    let Some(key) = &ring.kek_wrapped_by else {
        return ("root key".to_owned(), "which one is not recorded".to_owned());
    };
    let version = ring.kek_wrapping_version.map(|version| format!(", version {version}"));
    let algorithm = ring.kek_wrapping_algorithm.clone().unwrap_or_default();
    let strength = ring.kek_wrapping_strength_bits.map(|bits| format!(", {bits} bits"));
    (format!("{key}{}", version.unwrap_or_default()), format!("{algorithm}{}", strength.unwrap_or_default()))
}

fn ring_box(ring: &RingLine, under: Option<&Under<'_>>, top: u64, from: u64) -> RingBox {
    let listed = |counts: &BTreeMap<&str, u64>| {
        let words = counts.iter().map(|(word, number)| format!("{} {number}", word.replace('_', " ")));
        words.collect::<Vec<_>>().join(", ")
    };
    let wraps = under.map(|under| {
        let words = under.wraps.iter().map(|(by, number)| match *by {
            "ring_kek" => format!("{number} under this KEK"),
            "token_root" => format!("{number} under the root in its token"),
            _ => format!("{number} without material"),
        });
        words.collect::<Vec<_>>().join(", ")
    });
    let versions = match under {
        None => "no versions".to_owned(),
        Some(under) => {
            let versions = words::plural(under.versions, "version", "versions");
            format!("{versions}: {}", listed(&under.states))
        }
    };
    RingBox {
        top,
        middle: top + 18,
        first: top + 15,
        second: top + 30,
        from,
        id: ring.id.clone(),
        shown: shortened(&ring.id, 8),
        keys: words::plural(ring.keys, "key", "keys"),
        versions_shown: shortened(&versions, 66),
        versions,
        wraps: wraps.unwrap_or_default(),
    }
}

/// The begin of a text that is too long for its box.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}\u{2026}", text.get(..end).unwrap_or_default()),
    }
}

/// Violations over the period.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) height: u64,
    pub(super) axis: u64,
    pub(super) ticks: Vec<Tick>,
    /// How far the part reaches of which the log does not tell.
    pub(super) untold: u64,
    pub(super) lines: Vec<Line>,
    /// How many violations are named by results, and how many of them are not drawn.
    pub(super) named: u64,
    pub(super) more: u64,
}

/// An instant on the axis.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) at: u64,
    pub(super) day: String,
}

/// A violation.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) control: String,
    pub(super) severity: String,
    pub(super) subject: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) top: u64,
    pub(super) baseline: u64,
    pub(super) left: u64,
    pub(super) width: u64,
    pub(super) right: u64,
    /// Is it not over by the end of the period?
    pub(super) is_open: bool,
}

impl Timeline {
    const MOST: usize = 40;
    const LEFT: u64 = 90;
    const WIDTH: u64 = 640;
    const ROW: u64 = 16;
    const HEAD: u64 = 26;

    pub(super) fn of(evaluation: &Evaluation) -> Self {
        let period = evaluation.period;
        let results = evaluation.results.iter().filter(|result| result.mode == Mode::Period);
        let mut all: Vec<(&ControlResult, &Violation)> = results
            .flat_map(|result| result.violations.iter().map(move |violation| (result, violation)))
            .collect();
        // Results are by control, and violations of one in an order of their own: both stay where the keys are the same.
        all.sort_by_key(|(result, violation)| (result.severity, violation.from));
        let named = words::count(all.len());
        all.truncate(Self::MOST);
        // The worst are drawn; they are drawn in the order of time.
        all.sort_by_key(|(_, violation)| violation.from);
        let lines: Vec<_> = all
            .into_iter()
            .enumerate()
            .map(|(place, (result, violation))| {
                let top = Self::HEAD + Self::ROW * words::count(place);
                let left = Self::LEFT + place_of(period, violation.from, Self::WIDTH);
                let right = violation.to.unwrap_or(period.to);
                let right = Self::LEFT + place_of(period, right, Self::WIDTH);
                let width = right.saturating_sub(left).max(3);
                Line {
                    control: result.control.to_string(),
                    severity: result.severity.to_string(),
                    subject: violation.subject.clone(),
                    from: instant(violation.from),
                    to: violation.to.map(instant).unwrap_or_default(),
                    top: top + 3,
                    baseline: top + 12,
                    left,
                    width,
                    right: left + width,
                    is_open: violation.to.is_none(),
                }
            })
            .collect();
        let axis = Self::HEAD + Self::ROW * words::count(lines.len()).max(1);
        let ticks = (0..=4).map(|quarter| {
            let span = period.to.as_micros().saturating_sub(period.from.as_micros());
            let at = Timestamp::from_micros(period.from.as_micros() + span / 4 * quarter);
            Tick { at: Self::LEFT + Self::WIDTH / 4 * quarter, day: day(&instant(at)) }
        });
        let known_from = evaluation.known_from.unwrap_or(period.to);
        Self {
            height: axis + 10,
            axis,
            ticks: ticks.collect(),
            untold: place_of(period, known_from, Self::WIDTH),
            more: named - words::count(lines.len()),
            named,
            lines,
        }
    }
}

/// How far an instant lies into a period, in parts of `width`.
fn place_of(period: Period, at: Timestamp, width: u64) -> u64 {
    let whole = period.to.as_micros().saturating_sub(period.from.as_micros());
    let part = at.as_micros().saturating_sub(period.from.as_micros()).min(whole);
    let place = u128::from(part) * u128::from(width) / u128::from(whole.max(1));
    u64::try_from(place).unwrap_or(width)
}

/// The day of an instant.
pub(super) fn day(instant: &str) -> String {
    instant.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_lies_within_its_period() {
        let at = Timestamp::from_micros;
        let period = Period { from: at(100), to: at(200) };
        let places = [0, 100, 150, 200, 900].map(|instant| place_of(period, at(instant), 640));
        assert_eq!(places, [0, 0, 320, 640, 640]);
        assert_eq!(place_of(Period { from: at(7), to: at(7) }, at(7), 640), 0);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüx", 3), "äöü\u{2026}");
    }

    #[test]
    fn twenty_rings_are_drawn_and_the_others_counted() {
        let ring = |number: u32| RingLine {
            id: format!("ring-{number:02}"),
            keys: 0,
            protection: String::new(),
            data_class: None,
            environment: None,
            rotates_every: None,
            rotates: String::new(),
            protect_period: None,
            process_period: None,
            destroy_waiting_period: String::new(),
            quorum: 2,
            grants_under_quorum: false,
            separation: String::new(),
            context_required: Vec::new(),
            plaintext_data_keys: String::new(),
            assets: String::new(),
            kek_wrapped_by: Some(format!("seal-{}", number % 2)),
            kek_wrapping_version: Some(1),
            kek_wrapping_algorithm: Some("aes-256-gcm".to_owned()),
            kek_wrapping_strength_bits: Some(256),
            created_at: String::new(),
        };
        let inventory = Inventory { rings: (0..25).map(ring).collect(), ..Inventory::default() };
        let drawn = Hierarchy::of(&inventory);
        assert_eq!((drawn.rings.len(), drawn.more, drawn.roots.len()), (20, 5, 2));
        assert!(drawn.rings.iter().all(|ring| ring.top < drawn.height && ring.from < drawn.height));
        assert_eq!(drawn.roots[0].label, "seal-0, version 1");
    }
}
