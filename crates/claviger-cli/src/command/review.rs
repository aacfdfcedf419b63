//! `claviger access review …`: who has what is looked at, decided on, and what is to go is withdrawn.

use std::cell::RefCell;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use claviger_client::Client;
use claviger_client::types::approval::{NamedPrincipal, NamedRing};
use claviger_client::types::review::{
    AccessReview, ClosedReview, DecideItem, DecideReview, ItemDecision, ListReviews, OpenReview, ReadReview,
    ReviewItem, ReviewPage, ReviewState, ReviewedGrant, ReviewedRight, WhichReviews,
};
use claviger_client::types::text::{Covered, WhichReviewsWord};
use claviger_client::types::{GiveReason, Page, Pairs};
use claviger_core::ReviewId;
use claviger_core::review::{ReviewDecision, ReviewScope};

use super::access::quoted;
use super::capacity;
use super::paging::Paging;
use super::reason::{self, MaybeWhyArgs};
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::input::consent::Consent;
use crate::input::when::parse_span;
use crate::input::word::one_of;
use crate::output::{Table, named, note, print_bytes, record};
use crate::session::Session;

/// So many items are decided by one call.
const AT_ONCE: usize = 500;
/// Most bytes of a file with decisions.
const MOST_BYTES: u64 = 16 << 20;

/// Commands about access reviews.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Open a review over who has what now
    ///
    /// One item is what somebody has in one place: the roles and capacities of a person, or the grants of a principal on a ring and its keys.
    /// What is given from now on is for the next review. An administrator or a security officer opens it and decides; whom an item is about
    /// decides on none of their own.
    Open(OpenArgs),
    /// List reviews
    List(ListArgs),
    /// Show a review with its items, and what helps to decide on them
    ///
    /// Marks: `unused`, grants that are older than 90 days and were not used in the 90 days before the review was opened; `inactive`, somebody
    /// of whom nothing was used in that time; `changed`, what is there now differs from what the review was opened over; `yours`, another
    /// manager decides on it. With `--csv` as a file to fill in: `decide --file` reads it back.
    Show(ShowArgs),
    /// Decide what stays and what goes
    ///
    /// An item is named by its principal, or by `PRINCIPAL@RING` for the grants on a ring. Each is decided once. Nothing goes before the review
    /// is closed.
    Decide(DecideArgs),
    /// Close a review of which all is decided, and withdraw what is to go, as a security officer
    ///
    /// All of it goes at once: roles and capacities of people, and grants as they are now. The last administrator and the last security
    /// officer stay: the review stays open then.
    Close(CloseArgs),
}

/// What to review.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// Whose access
    #[arg(long, default_value = "all", value_parser = one_of::<ReviewScope>(ReviewScope::ALL.map(ReviewScope::name)))]
    scope: ReviewScope,
    /// On this ring alone, by name or id; roles and capacities are no part of it then
    #[arg(long, value_name = "RING")]
    ring: Option<String>,
    /// In what time it is to be closed, from 1d to 180d
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse_span)]
    due_in: Duration,
    #[command(flatten)]
    why: MaybeWhyArgs,
}

/// Which reviews.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those that are not closed, those that are, or all
    #[arg(long, default_value = "open")]
    state: Which,
    #[command(flatten)]
    paging: Paging,
}

/// A choice of reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// All
    All,
    /// Which are closed
    Closed,
    /// Which are not
    Open,
}

/// Which review.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Review, by id
    #[arg(value_name = "ID")]
    review: ReviewId,
    /// Only items that are not decided yet
    #[arg(long)]
    undecided: bool,
    /// As comma-separated values (RFC 4180), one line for each item
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    paging: Paging,
}

/// What is decided.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Review, by id
    #[arg(value_name = "ID")]
    review: ReviewId,
    /// Stays: PRINCIPAL, or PRINCIPAL@RING; as often as you like
    #[arg(long, value_name = "ITEM", value_parser = parse_item)]
    keep: Vec<Item>,
    /// Goes: PRINCIPAL, or PRINCIPAL@RING; as often as you like
    #[arg(long, value_name = "ITEM", value_parser = parse_item)]
    remove: Vec<Item>,
    /// Decisions in a file as `show --csv` writes it, with `keep` or `remove` in the column `decision`; `-` for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<Source>,
    /// All others stay that are not decided yet, but for those that are yours
    #[arg(long)]
    keep_rest: bool,
    #[command(flatten)]
    why: MaybeWhyArgs,
}

/// What to close.
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// Review, by id
    #[arg(value_name = "ID")]
    review: ReviewId,
    #[command(flatten)]
    why: MaybeWhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// An item, by names or identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    principal: String,
    ring: Option<String>,
}

/// Reads an item.
fn parse_item(text: &str) -> Result<Item, String> {
    let (principal, ring) = match text.split_once('@') {
        Some((principal, ring)) => (principal, Some(ring)),
        None => (text, None),
    };
    if principal.is_empty() || ring.is_some_and(|ring| ring.is_empty() || ring.contains('@')) {
        return Err("an item is expected, as in `ada` or `shop@orders`".to_owned());
    }
    Ok(Item { principal: principal.to_owned(), ring: ring.map(str::to_owned) })
}

impl Item {
    fn decided(self, decision: ReviewDecision) -> DecideItem {
        DecideItem { principal: self.principal, ring: self.ring, decision: decision.into() }
    }
}

impl ReviewCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Open(args) => args.run(session).await,
            Self::List(args) => args.run(session).await,
            Self::Show(args) => args.run(session).await,
            Self::Decide(args) => args.run(session).await,
            Self::Close(args) => args.run(session).await,
        }
    }
}

impl OpenArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let GiveReason { reason, reason_code } = self.why.into();
        let open = OpenReview {
            scope: self.scope.into(),
            ring: self.ring,
            due_in_seconds: self.due_in.as_secs(),
            reason,
            reason_code,
        };
        let opened = session.client()?.open_review(&open).await?.value;
        session.format.print(&opened, table)?;
        note(&format!("`claviger access review show {}` shows what is to be decided", opened.id));
        Ok(())
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let state: Option<WhichReviewsWord> = match self.state {
            Which::All => None,
            Which::Closed => Some(WhichReviews::Closed.into()),
            Which::Open => Some(WhichReviews::Open.into()),
        };
        let fetch =
            async |cursor, limit| Ok(client.list_reviews(&ListReviews { state, cursor, limit }).await?.value);
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let mut table =
                Table::new("access reviews", &["of", "state", "decided", "due at", "opened by", "id"]);
            for review in &page.items {
                table.row([
                    of(review),
                    review.state.to_string(),
                    format!("{} of {}", review.decided, review.items),
                    review.due_at.to_string(),
                    person(&review.opened_by),
                    review.id.to_string(),
                ]);
            }
            table.text()
        })
    }
}

impl ShowArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if self.csv && session.format.is_for_programs() {
            return Err(Failure::usage("`--csv` is a form of its own: leave `-o` out"));
        }
        let mut shown = read(&session.client()?, self.review, &self.paging).await?;
        if self.undecided {
            shown.items.retain(|item| item.decided.is_none());
        }
        if self.csv {
            return print_bytes(csv(&shown).as_bytes());
        }
        session.format.print(&shown, shown_text)
    }
}

/// A review, with so many of its items.
async fn read(client: &Client, review: ReviewId, paging: &Paging) -> Result<ReviewPage, Failure> {
    let known: RefCell<Option<(AccessReview, Pairs)>> = RefCell::new(None);
    let fetch = async |cursor, limit| {
        let page = client.read_review(review, &ReadReview { cursor, limit }).await?.value;
        let ReviewPage { review, items, next, names } = page;
        let mut known = known.borrow_mut();
        let (known_review, known_names) = known.get_or_insert_with(|| (review.clone(), Pairs::default()));
        *known_review = review;
        known_names.0.extend(names.0);
        Ok(Page { items, next })
    };
    let Page { items, next } = paging.collect(fetch).await?;
    let known = known.into_inner().ok_or_else(|| Failure::failed("the answer has no review"))?;
    let (review, names) = known;
    Ok(ReviewPage { review, items, next, names })
}

impl DecideArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let keep = self.keep.into_iter().map(|item| item.decided(ReviewDecision::Keep));
        let remove = self.remove.into_iter().map(|item| item.decided(ReviewDecision::Remove));
        let mut decisions: Vec<_> = keep.chain(remove).collect();
        if let Some(file) = &self.file {
            let text = file.read(MOST_BYTES)?;
            let text = std::str::from_utf8(&text)
                .map_err(|_| Failure::usage("the file with decisions is not UTF-8"))?;
            decisions.extend(decisions_of(text)?);
        }
        if decisions.is_empty() && !self.keep_rest {
            let message = "nothing to decide: give `--keep`, `--remove`, `--file` or `--keep-rest`";
            return Err(Failure::usage(message));
        }
        let why: GiveReason = self.why.into();
        let mut decided = decide(&client, self.review, decisions, &why).await?;
        if self.keep_rest {
            let all = read(&client, self.review, &Paging::all()).await?;
            let yours = all.items.iter().filter(|item| item.decided.is_none() && item.own).count();
            decided = decide(&client, self.review, rest(&all.items), &why).await?.or(Some(all.review));
            if yours > 0 {
                note(&format!("{yours} items are yours, and another manager decides on them"));
            }
        }
        let decided = decided.ok_or_else(|| Failure::failed("nothing was decided"))?;
        session.format.print(&decided, table)
    }
}

/// Has these decided, so many at a time; gives the review as it is then, if something was.
async fn decide(
    client: &Client,
    review: ReviewId,
    decisions: Vec<DecideItem>,
    why: &GiveReason,
) -> Result<Option<AccessReview>, Failure> {
    let mut decided = None;
    for some in decisions.chunks(AT_ONCE) {
        let GiveReason { reason, reason_code } = why.clone();
        let decide = DecideReview { decisions: some.to_vec(), reason, reason_code };
        decided = Some(client.decide_review(review, &decide).await?.value);
    }
    Ok(decided)
}

/// All that is not decided stays, but for what the caller has.
fn rest(items: &[ReviewItem]) -> Vec<DecideItem> {
    let left = items.iter().filter(|item| item.decided.is_none() && !item.own);
    let kept = left.map(|item| DecideItem {
        principal: item.principal.id.to_string(),
        ring: item.ring.as_ref().map(|ring| ring.id.to_string()),
        decision: ReviewDecision::Keep.into(),
    });
    kept.collect()
}

impl CloseArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let id = self.review;
        let question = format!("review {id} is closed, and what is to go by it is withdrawn at once.");
        Consent::of(self.yes).require(&question, &id.to_string())?;
        let closed = session.client()?.close_review(id, &self.why.into()).await?.value;
        session.format.print(&closed, |ClosedReview { review, withdrawn }| {
            let (roles, capacities, grants) = (withdrawn.roles, withdrawn.capacities, withdrawn.grants);
            format!("{}\nwithdrawn: {roles} roles, {capacities} capacities, {grants} grants", table(review))
        })
    }
}

/// Whose access a review is of, and where.
fn of(review: &AccessReview) -> String {
    match &review.ring {
        None => review.scope.to_string(),
        Some(on) => format!("{} on ring {}", review.scope, ring(on)),
    }
}

fn ring(one: &NamedRing) -> String {
    one.name.as_ref().map_or_else(|| one.id.to_string(), ToString::to_string)
}

fn person(one: &NamedPrincipal) -> String {
    one.name.as_ref().map_or_else(|| one.id.to_string(), ToString::to_string)
}

/// A review as text, without its items.
fn table(review: &AccessReview) -> String {
    let closed = review.closed.as_ref().map(|closed| format!("at {} by {}", closed.at, person(&closed.by)));
    let state = match *review.state {
        ReviewState::Overdue => "OVERDUE".to_owned(),
        ReviewState::Closed | ReviewState::Open => review.state.to_string(),
    };
    record(&[
        ("id", review.id.to_string()),
        ("of", of(review)),
        ("state", state),
        ("decided", format!("{} of {} items, {} to go", review.decided, review.items, review.to_remove)),
        ("due at", review.due_at.to_string()),
        ("opened", format!("at {} by {}", review.opened_at, person(&review.opened_by))),
        ("closed", closed.unwrap_or_default()),
        ("population, sha-256", review.population.to_string()),
        ("reason", reason::reported(review.reason.as_ref())),
        ("reason id", reason::id_of(review.reason.as_ref())),
    ])
}

fn shown_text(shown: &ReviewPage) -> String {
    let heads = ["item", "has", "last used", "marks", "decision"];
    let mut items = Table::new("items", &heads);
    for item in &shown.items {
        items.row([
            item_text(item),
            rights_text(item, &shown.names),
            day(item),
            marks(item).join(", "),
            item.decided.as_ref().map(decision_text).unwrap_or_default(),
        ]);
    }
    format!("{}\n{}", table(&shown.review), items.text())
}

/// An item, as `decide` takes it.
fn item_text(item: &ReviewItem) -> String {
    match &item.ring {
        None => person(&item.principal),
        Some(on) => format!("{}@{}", person(&item.principal), ring(on)),
    }
}

fn rights_text(item: &ReviewItem, names: &Pairs) -> String {
    let mut rights: Vec<_> = item.rights.iter().map(|right| right_text(right, names)).collect();
    if item.more {
        rights.push("and more".to_owned());
    }
    rights.join("; ")
}

fn right_text(right: &ReviewedRight, names: &Pairs) -> String {
    match right {
        ReviewedRight::Capacity(held) => format!("capacity {}", capacity::text(**held, names)),
        ReviewedRight::Grant(ReviewedGrant { on, operations, until, .. }) => {
            let on = match on {
                Covered::Key(id) => format!("key {}", named(names, id)),
                Covered::Ring(id) => format!("ring {}", named(names, id)),
            };
            let operations: Vec<_> = operations.iter().map(ToString::to_string).collect();
            let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
            format!("{} on {on}{until}", operations.join(" "))
        }
        ReviewedRight::Role(role) => format!("role {role}"),
    }
}

/// The day of the last use.
fn day(item: &ReviewItem) -> String {
    let at = item.last_used.map(|at| at.to_string());
    at.map_or_else(|| "not in 90 days".to_owned(), |at| at.chars().take(10).collect())
}

fn marks(item: &ReviewItem) -> Vec<&'static str> {
    let marks = [
        (item.unused, "unused"),
        (item.inactive, "inactive"),
        (item.changed, "changed"),
        (item.own, "yours"),
    ];
    marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark).collect()
}

fn decision_text(decided: &ItemDecision) -> String {
    format!("{} (by {})", decided.decision, person(&decided.by))
}

/// The heads of the columns.
const HEADS: [&str; 7] = ["principal", "ring", "rights", "count", "last_used", "marks", "decision"];

/// One line for each item, behind the heads of the columns.
fn csv(shown: &ReviewPage) -> String {
    let mut text = HEADS.join(",") + "\r\n";
    for item in &shown.items {
        let decision = item.decided.as_ref().map(|decided| decided.decision.to_string());
        let cells = [
            person(&item.principal),
            item.ring.as_ref().map(ring).unwrap_or_default(),
            rights_text(item, &shown.names),
            item.count.to_string(),
            day(item),
            marks(item).join(" "),
            decision.unwrap_or_default(),
        ];
        text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// The decisions of such a file: of each line that has one.
fn decisions_of(text: &str) -> Result<Vec<DecideItem>, Failure> {
    let mut lines = rows(text)?.into_iter();
    let heads = lines.next().unwrap_or_default();
    let column = |name: &str| {
        let at = heads.iter().position(|head| head.trim() == name);
        at.ok_or_else(|| Failure::usage(format!("the file with decisions has no column `{name}`")))
    };
    let (principal, ring, decision) = (column("principal")?, column("ring")?, column("decision")?);
    let mut decisions = Vec::new();
    for (number, cells) in (2_usize..).zip(lines) {
        let cell = |at: usize| cells.get(at).map_or("", |cell| cell.trim());
        if cell(decision).is_empty() {
            continue;
        }
        let wrong = |what: &str| Failure::usage(format!("line {number} of the file with decisions: {what}"));
        let decided = cell(decision).parse::<ReviewDecision>();
        let decided = decided.map_err(|_| wrong("the decision is neither `keep` nor `remove`"))?;
        if cell(principal).is_empty() {
            return Err(wrong("it names no principal"));
        }
        let ring = Some(cell(ring)).filter(|ring| !ring.is_empty()).map(str::to_owned);
        let item = Item { principal: cell(principal).to_owned(), ring };
        decisions.push(item.decided(decided));
    }
    Ok(decisions)
}

/// Lines of comma-separated values (RFC 4180), those that are empty left out.
fn rows(text: &str) -> Result<Vec<Vec<String>>, Failure> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut signs) =
        (false, text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable());
    while let Some(sign) = signs.next() {
        match (is_quoted, sign) {
            (true, '"') if signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            (true, '"') => is_quoted = false,
            (true, other) => cell.push(other),
            (false, '"') if cell.is_empty() => is_quoted = true,
            (false, ',') => row.push(std::mem::take(&mut cell)),
            (false, '\r') if signs.peek() == Some(&'\n') => {}
            (false, '\n') => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (false, other) => cell.push(other),
        }
    }
    if is_quoted {
        return Err(Failure::usage("a quotation of the file with decisions has no end"));
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests;
