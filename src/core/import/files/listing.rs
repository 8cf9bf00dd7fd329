//! Which files are the pages of one listing, and whether a listing is complete.
//!
//! A page says by its NextToken that another follows. No page says which one it follows: that can only be concluded
//! from what its file is called and from what it holds. Two listings must never count as one, because then a table on a
//! missing page would go unnoticed. So the rule joins files only where their names and their rows both agree:
//!
//! 1. A file without a NextToken (an empty one ends a listing, as none does) is a complete listing by itself, whatever
//!    other files hold. It completes no other file except as a page by the rules below.
//! 2. The pages of one listing have names that differ in the number at the end alone (`route-tables.json`,
//!    `route-tables-2.json`, `route-tables-3.json`; the number of a Region's name is none). As soon as one file of such
//!    a name has a NextToken, all files of that name must be pages of one listing: numbered one by one from the first
//!    (no number, 0 or 1), each but the last with a NextToken of its own, the last without.
//! 3. Each page after the first names a VPC (of prefix lists: a Region) that an earlier page names too, and no row that
//!    an earlier page has. A complete listing of another VPC, Region or account that was saved under the next number
//!    names others; one of the same VPC repeats the rows.
//!
//! What the rules do not accept is cut off. That includes some that are complete: pages whose names are not numbered,
//! pages of several VPCs that were divided between two VPCs, a last page without rows. The remedy is the same for all:
//! the AWS CLI follows every NextToken by itself unless `--max-items` or `--no-paginate` stops it.
//!
//! Two complete listings that share a route table of a VPC, of which one has a table that the other has not, are answers of two times,
//! or one is filtered: whether the VPC has that table now is not known. The same is true of VPC endpoints. Where they share none,
//! they are two parts of one answer by two filters, unless each has the VPC's main table, or their files are more than an hour apart.
//!
//! What they cannot detect: that of two answers with about the same time one is old, if it was filtered and they share nothing; that a
//! page 0 was there before page 1, or a page 1 between a file without number and page 2.

use crate::model::{Gap, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// One file's part of a listing.
pub(super) struct Page {
    pub(super) path: PathBuf,
    /// The token for the next page.
    pub(super) token: Option<String>,
    /// The ids of its rows.
    pub(super) rows: BTreeSet<String>,
    /// The VPCs or Regions that its rows are of, and the rows of each.
    pub(super) scopes: BTreeMap<String, BTreeSet<String>>,
    /// The VPCs of which it has the row that every whole answer has: the main route table.
    pub(super) with_main: BTreeSet<String>,
    /// When it was written.
    pub(super) at: Timestamp,
}

/// A VPC, a row of it, and why the row may have gone.
pub(super) type Differing<'p> = (&'p str, &'p str, Gap);

/// The listings of one key, by name without number; of each the pages by number.
#[derive(Default)]
pub(super) struct Listings(BTreeMap<String, Vec<(Option<u32>, Page)>>);

impl Listings {
    /// Adds a page by the name of its file, without extension.
    pub(super) fn add(&mut self, name: &str, page: Page) {
        let (name, number) = page_number(name);
        let pages = self.0.entry(name.to_owned()).or_default();
        let at = pages.partition_point(|(other, _)| *other <= number);
        pages.insert(at, (number, page));
    }

    /// The first listing that is not complete, and why.
    pub(super) fn cut_off(&self) -> Option<CutOff<'_>> {
        self.0.values().find_map(|pages| cut_off(pages))
    }

    /// What is in one and not in another of two complete listings of a VPC that are not parts of one answer: a reason for each row.
    pub(super) fn differing(&self) -> Vec<Differing<'_>> {
        let mut known: BTreeMap<&str, Vec<Answer<'_>>> = BTreeMap::new();
        let mut empty: Vec<&Page> = Vec::new();
        // The first answer that has a row, and the first that has the main table.
        let mut first: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut with_main: BTreeMap<&str, usize> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for pages in self.0.values() {
            // Each file is an answer, or all of them are.
            if pages.iter().all(|(_, page)| page.token.is_none()) {
                empty.extend(pages.iter().map(|(_, page)| page).filter(|page| page.rows.is_empty()));
            }
            for (scope, answer) in answers(pages) {
                let of_scope = known.entry(scope).or_default();
                let sharing = answer.rows.iter().filter_map(|row| first.get(&(scope, *row)));
                let mains = with_main.get(scope).filter(|_| answer.has_main);
                let others: BTreeSet<usize> = sharing.chain(mains).copied().collect();
                others.iter().for_each(|other| differ(scope, &answer, &of_scope[*other], &mut found));
                for row in &answer.rows {
                    first.entry((scope, row)).or_insert(of_scope.len());
                }
                if answer.has_main {
                    with_main.entry(scope).or_insert(of_scope.len());
                }
                of_scope.push(answer);
            }
        }
        for (scope, answers) in &known {
            let at = |answer: &&Answer<'_>| answer.first.at;
            let ends = answers.iter().min_by_key(at).into_iter().chain(answers.iter().max_by_key(at));
            for (end, answer) in ends.flat_map(|end| answers.iter().map(move |answer| (end, answer))) {
                if apart(end.first, answer.first) {
                    differ(scope, end, answer, &mut found);
                }
            }
            // It may be about this VPC.
            for (nothing, answer) in empty.iter().flat_map(|page| answers.iter().map(move |answer| (page, answer))) {
                if apart(nothing, answer.first) {
                    let nothing = Answer { first: nothing, rows: BTreeSet::new(), has_main: false };
                    differ(scope, answer, &nothing, &mut found);
                }
            }
        }
        found.into_iter().map(|((scope, row), gap)| (scope, row, gap)).collect()
    }
}

/// Adds each row that one of two answers has and the other has not.
fn differ<'p>(scope: &'p str, one: &Answer<'p>, other: &Answer<'p>, found: &mut BTreeMap<(&'p str, &'p str), Gap>) {
    for row in one.rows.symmetric_difference(&other.rows) {
        found.entry((scope, *row)).or_insert_with(|| {
            let (has, lacks) = if one.rows.contains(row) { (one, other) } else { (other, one) };
            let [has, lacks] = [has, lacks].map(|answer| file_name(&answer.first.path));
            Gap::Conflicting { one: format!("{has} has {row}"), other: format!("{lacks} has not") }
        });
    }
}

/// What a complete answer has of one VPC.
struct Answer<'p> {
    /// Its first page.
    first: &'p Page,
    rows: BTreeSet<&'p str>,
    has_main: bool,
}

/// Parts of one answer by two filters are written one after the other.
const ONE_AFTER_THE_OTHER: Duration = Duration::from_secs(3_600);

/// Whether two files are of two times.
fn apart(one: &Page, other: &Page) -> bool {
    one.at.since(other.at).max(other.at.since(one.at)) > ONE_AFTER_THE_OTHER
}

/// The complete answers of files with one name: each file, or all of them where they are pages. Of each what it has by VPC.
fn answers(pages: &[(Option<u32>, Page)]) -> Vec<(&str, Answer<'_>)> {
    let is_one = pages.iter().any(|(_, page)| page.token.is_some());
    let mut answers: Vec<(&str, Answer<'_>)> = Vec::new();
    // Where the answer has each VPC.
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut first = None;
    for (_, page) in pages {
        if !is_one {
            places.clear();
            first = None;
        }
        let first: &Page = first.get_or_insert(page);
        for (scope, of_scope) in &page.scopes {
            let place = *places.entry(scope).or_insert(answers.len());
            if place == answers.len() {
                answers.push((scope, Answer { first, rows: BTreeSet::new(), has_main: false }));
            }
            let (_, answer) = &mut answers[place];
            answer.rows.extend(of_scope.iter().map(String::as_str));
            answer.has_main |= page.with_main.contains(scope);
        }
    }
    answers
}

/// The name of a file, with extension.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.display().to_string())
}

fn cut_off(pages: &[(Option<u32>, Page)]) -> Option<CutOff<'_>> {
    let (first, last) = (pages.first()?, pages.last()?);
    if pages.iter().all(|(_, page)| page.token.is_none()) {
        return None;
    }
    if first.0.is_some_and(|number| number > 1) {
        return Some(CutOff::NoFirst(&first.1));
    }
    for pair in pages.windows(2) {
        let [(number, page), (next_number, next)] = pair else { continue };
        if page.token.is_none() {
            return Some(CutOff::EndsBefore(page, next));
        }
        if !follows(*number, *next_number) {
            return Some(CutOff::NotConsecutive(page, next));
        }
    }
    if last.1.token.is_some() {
        return Some(CutOff::NoNext(&last.1));
    }
    (1..pages.len()).find_map(|at| {
        let (earlier, (_, page)) = (&pages[..at], &pages[at]);
        unrelated(earlier, page)
    })
}

fn follows(number: Option<u32>, next: Option<u32>) -> bool {
    match (number, next) {
        (None, Some(1 | 2)) => true,
        (Some(number), Some(next)) => number.checked_add(1) == Some(next),
        (None, Some(_)) | (_, None) => false,
    }
}

/// Why `page` is not one of the listing that the earlier pages are of.
fn unrelated<'p>(earlier: &'p [(Option<u32>, Page)], page: &'p Page) -> Option<CutOff<'p>> {
    let mut earlier = earlier.iter().map(|(_, page)| page);
    if let Some(other) = earlier.clone().find(|other| page.token.is_some() && other.token == page.token) {
        return Some(CutOff::SameToken(other, page));
    }
    if let Some((other, row)) =
        earlier.clone().find_map(|other| Some((other, other.rows.intersection(&page.rows).next()?)))
    {
        return Some(CutOff::Repeats(other, page, row));
    }
    let shares = earlier.any(|other| other.scopes.keys().any(|scope| page.scopes.contains_key(scope)));
    (!shares).then_some(CutOff::NothingShared(page))
}

/// Why a listing is not complete.
pub(super) enum CutOff<'p> {
    NoFirst(&'p Page),
    NoNext(&'p Page),
    EndsBefore(&'p Page, &'p Page),
    NotConsecutive(&'p Page, &'p Page),
    SameToken(&'p Page, &'p Page),
    Repeats(&'p Page, &'p Page, &'p str),
    NothingShared(&'p Page),
}

impl fmt::Display for CutOff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |page: &Page| file_name(&page.path);
        match self {
            Self::NoFirst(page) => write!(f, "the pages before {} are missing", name(page)),
            Self::NoNext(page) => {
                write!(f, "{} has a NextToken and no file is numbered as its next page", name(page))
            }
            Self::EndsBefore(page, next) => {
                write!(f, "{} has no NextToken, yet a listing goes on in {}", name(page), name(next))
            }
            Self::NotConsecutive(page, next) => {
                write!(f, "{} has a NextToken and {} is not numbered as its next page", name(page), name(next))
            }
            Self::SameToken(page, next) => write!(f, "{} and {} have the same NextToken", name(page), name(next)),
            Self::Repeats(page, next, row) => write!(
                f,
                "{row} is in both {} and {}, so these are not the pages of one listing, and one has a NextToken",
                name(page),
                name(next)
            ),
            Self::NothingShared(page) => write!(
                f,
                "{} shares no VPC or Region with the pages before it, which have a NextToken: it may be a listing of its own",
                name(page)
            ),
        }
    }
}

/// A name without the number of its page, and that number: `route-tables-2`, `route-tables (2)`, `pl-1.page2`.
///
/// The number of a Region is none: `eu-west-1` and `eu-west-2` are no pages.
fn page_number(name: &str) -> (&str, Option<u32>) {
    let separators = |c: char| " -_.()".contains(c);
    let end = name.trim_end_matches(separators);
    let unnumbered = (end, None);
    let before = end.trim_end_matches(|c: char| c.is_ascii_digit());
    // Longer ones are parts of ids and dates.
    let Some(number) = end.get(before.len()..).filter(|digits| digits.len() <= 4).and_then(|d| d.parse().ok()) else {
        return unnumbered;
    };
    let stem = before.trim_end_matches(separators);
    let lower = stem.to_ascii_lowercase();
    if ["north", "south", "east", "west", "central"].iter().any(|direction| lower.ends_with(direction)) {
        return unnumbered;
    }
    (stem.strip_suffix("page").unwrap_or(stem).trim_end_matches(separators), Some(number))
}

/// The name of the listing that a page of this name is of.
pub(super) fn listing_of(name: &str) -> &str {
    page_number(name).0
}

/// The name of a file, without extension.
pub(super) fn name_of(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_page_is_at_the_end_of_its_name() {
        for (name, expected) in [
            ("route-tables", ("route-tables", None)),
            ("route-tables-2", ("route-tables", Some(2))),
            ("route-tables_02", ("route-tables", Some(2))),
            ("route-tables (3)", ("route-tables", Some(3))),
            ("route-tables-page-10", ("route-tables", Some(10))),
            ("routes4", ("routes", Some(4))),
            ("-.page2", ("", Some(2))),
            ("page2-", ("", Some(2))),
            ("1", ("", Some(1))),
            ("eu-west-2", ("eu-west-2", None)),
            ("route-tables-ap-southeast-1", ("route-tables-ap-southeast-1", None)),
            ("route-tables-111122223333", ("route-tables-111122223333", None)),
            ("route-tables-20261122", ("route-tables-20261122", None)),
            ("", ("", None)),
        ] {
            assert_eq!(page_number(name), expected, "{name}");
        }
    }
}
