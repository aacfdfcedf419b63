//! The catalogue: controls, parameters, sources and frameworks, held together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::algorithm::{self, Algorithms};
use crate::control::{Control, ControlId, Grade, Parameter};
use crate::framework::{Clauses, Coverage, Crosswalk, Framework, Rows};
use crate::mark::{self, Mark, Source};
use crate::statement::Statement;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

    pub(crate) const CATALOGUE: &str = include_str!("../catalogue/catalogue.toml");
    pub(crate) const ALGORITHMS: &str = include_str!("../catalogue/algorithms.toml");
    pub(crate) const PARAMETERS: &str = include_str!("../catalogue/parameters.toml");
    pub(crate) const SOURCES: &str = include_str!("../catalogue/sources.toml");
    pub(crate) const STATEMENTS: &str = include_str!("../catalogue/statements.toml");
}

pub use embedded::{EVALUATOR, FRAMEWORKS};

/// All that is asked, and by what it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Its version: results name it, and are recomputed by it.
    pub version: String,
    /// The day as of which its facts about regulations were known, as `YYYY-MM-DD`.
    pub facts_as_of: String,
    /// Controls on which every other result rests: they are in the control set of each framework.
    pub core: BTreeSet<ControlId>,
    algorithms: Algorithms,
    controls: BTreeMap<ControlId, Control>,
    parameters: BTreeMap<String, Parameter>,
    sources: BTreeMap<String, Source>,
    statements: BTreeMap<String, Statement>,
    frameworks: BTreeMap<String, Framework>,
}

/// Why files are no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A file of another form.
    #[error("{file}: {message}")]
    Form {
        /// Which file.
        file: String,
        /// Where, and what is wrong.
        message: String,
    },
    /// Files that do not belong together.
    #[error("{place}: {problem}")]
    Meaning {
        /// What it is that is wrong.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The texts that a catalogue is made of, with their names where there are several of a kind.
#[derive(Clone, Copy)]
struct Texts<'a> {
    catalogue: &'a str,
    algorithms: &'a str,
    parameters: &'a str,
    sources: &'a str,
    statements: &'a str,
    controls: &'a [(&'a str, &'a str)],
    frameworks: &'a [(&'a str, &'a str)],
}

const EMBEDDED: Texts<'static> = Texts {
    catalogue: embedded::CATALOGUE,
    algorithms: embedded::ALGORITHMS,
    parameters: embedded::PARAMETERS,
    sources: embedded::SOURCES,
    statements: embedded::STATEMENTS,
    controls: embedded::CONTROLS,
    frameworks: embedded::FILES,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: String,
    facts_as_of: String,
    core: Vec<ControlId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Controls {
    control: Vec<Control>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    parameter: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    source: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statements {
    statement: Vec<Statement>,
}

impl Catalogue {
    /// The one that this program has.
    ///
    /// # Errors
    /// When its files do not read or do not fit together; a test sees that they do.
    pub fn load() -> Result<Self, CatalogueError> {
        Self::of(EMBEDDED)
    }

    /// The controls, in the order of a key's life.
    pub fn controls(&self) -> impl Iterator<Item = &Control> {
        self.controls.values()
    }

    /// That control.
    #[must_use]
    pub fn find_control(&self, id: ControlId) -> Option<&Control> {
        self.controls.get(&id)
    }

    /// The standing of algorithms by date.
    #[must_use]
    pub const fn algorithms(&self) -> &Algorithms {
        &self.algorithms
    }

    /// That parameter.
    #[must_use]
    pub fn find_parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.get(name)
    }

    /// The parameters, by name.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.values()
    }

    /// The statements that people sign, by name.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.statements.values()
    }

    /// The statement with that name.
    #[must_use]
    pub fn find_statement(&self, id: &str) -> Option<&Statement> {
        self.statements.get(id)
    }

    /// The source with that code.
    #[must_use]
    pub fn find_source(&self, code: &str) -> Option<&Source> {
        self.sources.get(code)
    }

    /// The frameworks, by name.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values()
    }

    /// The framework with that name.
    #[must_use]
    pub fn find_framework(&self, id: &str) -> Option<&Framework> {
        self.frameworks.get(id)
    }

    /// The control set of a framework: those that its clauses name, and the core.
    #[must_use]
    pub fn profile(&self, framework: &Framework) -> BTreeSet<ControlId> {
        &framework.controls() | &self.core
    }

    fn of(texts: Texts<'_>) -> Result<Self, CatalogueError> {
        let head: Head = read("catalogue.toml", texts.catalogue)?;
        let parameters = read::<Parameters>("parameters.toml", texts.parameters)?.parameter;
        let sources = read::<Sources>("sources.toml", texts.sources)?.source;
        let statements = read::<Statements>("statements.toml", texts.statements)?.statement;
        let algorithms = read::<algorithm::Rows>("algorithms.toml", texts.algorithms)?;
        let algorithms = Algorithms::of(algorithms).map_err(|(spec, problem)| wrong(&spec, problem))?;
        let mut controls = Vec::new();
        for (file, text) in texts.controls {
            controls.extend(read::<Controls>(file, text)?.control);
        }
        let catalogue = Self {
            version: head.version,
            facts_as_of: head.facts_as_of,
            core: head.core.into_iter().collect(),
            algorithms,
            controls: by_name(controls, |control| control.id)?,
            parameters: by_name(parameters, |parameter| parameter.name.clone())?,
            sources: by_name(sources, |source| source.code.clone())?,
            statements: by_name(statements, |statement| statement.id.clone())?,
            frameworks: frameworks(texts.frameworks)?,
        };
        catalogue.check()?;
        Ok(catalogue)
    }

    /// Does everything that is named exist, and does no clause promise more than its controls?
    fn check(&self) -> Result<(), CatalogueError> {
        for id in &self.core {
            self.known(*id, &"the core")?;
        }
        for control in self.controls.values() {
            self.check_control(control)?;
        }
        for (spec, _, algorithm) in self.algorithms.iter() {
            self.check_marks(mark::within(algorithm.basis()), &spec)?;
            if let Some(id) = algorithm.not_in().find(|id| !self.frameworks.contains_key(*id)) {
                return Err(wrong(&spec, format!("there is no framework `{id}`")));
            }
        }
        for parameter in self.parameters.values() {
            self.check_marks(mark::within(&parameter.basis), &parameter.name)?;
        }
        for framework in self.frameworks.values() {
            self.check_framework(framework)?;
        }
        Ok(())
    }

    fn check_control(&self, control: &Control) -> Result<(), CatalogueError> {
        if control.modes.is_empty() {
            return Err(wrong(&control.id, "it is decided of no instant"));
        }
        if (control.grade == Grade::Full) != control.attestations.is_empty() {
            return Err(wrong(&control.id, "its grade does not fit the attestations that it needs"));
        }
        if let Some(name) = control.parameters.iter().find(|name| !self.parameters.contains_key(*name)) {
            return Err(wrong(&control.id, format!("there is no parameter `{name}`")));
        }
        if let Some(name) = control.attestations.iter().find(|name| !self.statements.contains_key(*name)) {
            return Err(wrong(&control.id, format!("there is no statement `{name}`")));
        }
        self.check_marks(control.texts().into_iter().flat_map(mark::within), &control.id)
    }

    fn check_framework(&self, framework: &Framework) -> Result<(), CatalogueError> {
        let mut seen = BTreeSet::new();
        for clause in &framework.clauses {
            let place = format!("{}, {}", framework.id, clause.id);
            if !seen.insert(clause.id.as_str()) {
                return Err(wrong(&place, "it is there twice"));
            }
            for id in &clause.controls {
                let control = self.known(*id, &place)?;
                if clause.coverage == Coverage::Full && control.grade != Grade::Full {
                    return Err(wrong(&place, format!("it is decided by machine, and {id} is not")));
                }
            }
            let answered = !clause.controls.is_empty() || clause.see.is_some();
            if answered == (clause.coverage == Coverage::Outside) {
                return Err(wrong(&place, "its coverage does not fit what answers it"));
            }
            self.check_marks([clause.mark.clone()], &place)?;
        }
        self.check_marks(framework.texts().flat_map(mark::within), &framework.id)
    }

    fn check_marks(
        &self,
        marks: impl IntoIterator<Item = Mark>,
        place: &dyn fmt::Display,
    ) -> Result<(), CatalogueError> {
        for mark in marks {
            if let Mark::Verified(code) = mark
                && !self.sources.contains_key(&code)
            {
                return Err(wrong(place, format!("there is no source `{code}`")));
            }
        }
        Ok(())
    }

    fn known(&self, id: ControlId, place: &dyn fmt::Display) -> Result<&Control, CatalogueError> {
        self.find_control(id).ok_or_else(|| wrong(place, format!("there is no control {id}")))
    }
}

fn frameworks(files: &[(&str, &str)]) -> Result<BTreeMap<String, Framework>, CatalogueError> {
    let mut crosswalks = BTreeMap::<&str, Vec<Crosswalk>>::new();
    let mut all = Vec::new();
    for (file, text) in files {
        let mut parts = file.rsplit('/');
        match (parts.next(), parts.next()) {
            (Some("clauses.toml"), Some(id)) => all.push((id, read::<Clauses>(file, text)?)),
            (Some("crosswalk.toml"), Some(id)) => {
                crosswalks.insert(id, read::<Rows>(file, text)?.rows);
            }
            _ => {
                return Err(wrong(
                    file,
                    "a framework has `clauses.toml` and `crosswalk.toml`, and nothing else",
                ));
            }
        }
    }
    let all = all.into_iter().map(|(id, Clauses { title, version, status, pending, clauses })| Framework {
        crosswalk: crosswalks.remove(id).unwrap_or_default(),
        id: id.to_owned(),
        title,
        version,
        status,
        pending,
        clauses,
    });
    let all = by_name(all.collect(), |framework| framework.id.clone())?;
    match crosswalks.keys().next() {
        None => Ok(all),
        Some(id) => Err(wrong(id, "a crosswalk without clauses")),
    }
}

fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, CatalogueError> {
    toml::from_str(text)
        .map_err(|error| CatalogueError::Form { file: file.to_owned(), message: error.to_string() })
}

fn by_name<T, K: Ord + Clone + fmt::Display>(
    all: Vec<T>,
    name: impl Fn(&T) -> K,
) -> Result<BTreeMap<K, T>, CatalogueError> {
    let mut found = BTreeMap::new();
    for one in all {
        let name = name(&one);
        if found.insert(name.clone(), one).is_some() {
            return Err(wrong(&name, "it is there twice"));
        }
    }
    Ok(found)
}

fn wrong(place: &dyn fmt::Display, problem: impl Into<String>) -> CatalogueError {
    CatalogueError::Meaning { place: place.to_string(), problem: problem.into() }
}

#[cfg(test)]
mod tests;
