//! What names stand for at a place in a statement.

use super::origin::Origin;

/// A column of rows that are read or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// None where it is not known: it may be any.
    pub(super) name: Option<String>,
    pub(super) origin: Origin,
}

/// Rows that are read or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    /// None where it is not known how many there are, or what they are called.
    pub(super) fields: Option<Vec<Field>>,
    /// Of all columns, known or not.
    pub(super) whole: Origin,
}

impl Rows {
    pub(super) const fn unknown() -> Self {
        Self { fields: None, whole: Origin::Unknown }
    }

    pub(super) const fn none() -> Self {
        Self { fields: Some(Vec::new()), whole: Origin::none() }
    }

    pub(super) fn of(fields: Vec<Field>) -> Self {
        let mut whole = Origin::none();
        for field in &fields {
            whole.add(&field.origin);
        }
        Self { fields: Some(fields), whole }
    }

    /// The same columns, each of this origin.
    pub(super) fn of_origin(&self, origin: &Origin) -> Self {
        let field = |field: &Field| Field { name: field.name.clone(), origin: origin.clone() };
        let fields = self.fields.as_ref().map(|fields| fields.iter().map(field).collect());
        Self { fields, whole: origin.clone() }
    }

    /// What it takes to go through it.
    pub(super) fn size(&self) -> usize {
        self.fields.as_ref().map_or(1, Vec::len).saturating_add(self.whole.size())
    }

    /// Of all columns of this name; none where there is none for sure.
    pub(super) fn column(&self, name: &str) -> Option<Origin> {
        let Some(fields) = &self.fields else { return Some(self.whole.clone()) };
        let mut found: Option<Origin> = None;
        for field in fields.iter().filter(|field| field.name.as_deref().is_none_or(|known| known == name)) {
            found.get_or_insert(Origin::none()).add(&field.origin);
        }
        found
    }

    /// Of all columns that have this name for sure, if there is one.
    pub(super) fn surely(&self, name: &str) -> Option<Origin> {
        let mut found: Option<Origin> = None;
        for field in self.fields.iter().flatten().filter(|field| field.name.as_deref() == Some(name)) {
            found.get_or_insert(Origin::none()).add(&field.origin);
        }
        found
    }

    /// Whether there is a column of this name for sure.
    pub(super) fn has_column(&self, name: &str) -> bool {
        self.fields.iter().flatten().any(|field| field.name.as_deref() == Some(name))
    }

    /// Names columns anew, from the first on.
    pub(super) fn rename(&mut self, names: &[String]) {
        for (field, name) in self.fields.iter_mut().flatten().zip(names) {
            field.name = Some(name.clone());
        }
    }

    /// Adds to what a column derives from; to all, where none has this name for sure.
    pub(super) fn taint_column(&mut self, name: Option<&str>, origin: &Origin) {
        let Some(name) = name.filter(|name| self.has_column(name)) else { return self.taint(origin) };
        self.whole.add(origin);
        for field in self.fields.iter_mut().flatten() {
            if field.name.as_deref().is_none_or(|known| known == name) {
                field.origin.add(origin);
            }
        }
    }

    pub(super) fn taint(&mut self, origin: &Origin) {
        self.whole.add(origin);
        for field in self.fields.iter_mut().flatten() {
            field.origin.add(origin);
        }
    }

    /// With the columns of others after these.
    pub(super) fn append(&mut self, others: Self) {
        self.whole.add(&others.whole);
        match (&mut self.fields, others.fields) {
            (Some(fields), Some(others)) => fields.extend(others),
            (fields, _) => *fields = None,
        }
    }
}

/// Rows by a name, in `FROM` or as what is changed.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// None where there is no alias.
    pub(super) alias: Option<String>,
    /// Where the alias is the table's own name.
    pub(super) schema: Option<String>,
    pub(super) rows: Rows,
}

/// A query that `WITH` names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) rows: Rows,
}

/// Queries with names, those of queries around them after their own.
#[derive(Debug)]
pub(super) struct Environment<'a> {
    pub(super) named: Vec<Named>,
    pub(super) outer: Option<&'a Environment<'a>>,
}

impl Environment<'_> {
    pub(super) fn rows(&self, name: &str) -> Option<&Rows> {
        let own = self.named.iter().rev().find(|named| named.name == name).map(|named| &named.rows);
        own.or_else(|| self.outer.and_then(|outer| outer.rows(name)))
    }
}

static NOTHING: Environment<'static> = Environment { named: Vec::new(), outer: None };

/// What names of columns stand for.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) sources: Vec<Source>,
    /// What `WINDOW` defines.
    pub(super) windows: Origin,
    pub(super) environment: &'a Environment<'a>,
    pub(super) outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(super) const fn root() -> Scope<'static> {
        Scope { sources: Vec::new(), windows: Origin::none(), environment: &NOTHING, outer: None }
    }

    /// An empty one inside another.
    pub(super) const fn inside(outer: &'a Self) -> Self {
        Scope { sources: Vec::new(), windows: Origin::none(), environment: outer.environment, outer: Some(outer) }
    }

    /// The same with more named queries.
    pub(super) const fn with(outer: &'a Self, environment: &'a Environment<'a>) -> Self {
        Scope { sources: Vec::new(), windows: Origin::none(), environment, outer: Some(outer) }
    }

    /// The rows of a name such as `t`, `s.t` or `d.s.t`.
    pub(super) fn source(&self, parts: &[String]) -> Option<&Rows> {
        let (schema, name) = match parts {
            [name] => (None, name),
            [.., schema, name] => (Some(schema), name),
            [] => return None,
        };
        let is_it = |source: &&Source| {
            source.alias.as_ref() == Some(name) && schema.is_none_or(|schema| source.schema.as_ref() == Some(schema))
        };
        let own = self.sources.iter().find(is_it).map(|source| &source.rows);
        own.or_else(|| self.outer.and_then(|outer| outer.source(parts)))
    }

    /// How many sources there are, those around included.
    pub(super) fn size(&self) -> usize {
        self.sources.len().saturating_add(self.outer.map_or(0, Scope::size)).saturating_add(1)
    }

    /// What a name alone stands for: a column of the nearest rows that have one, or whole rows.
    pub(super) fn name(&self, name: &str) -> Option<Origin> {
        let mut rows: Option<Origin> = None;
        let mut scope = Some(self);
        while let Some(at) = scope {
            let mut found: Option<Origin> = None;
            let mut is_sure = false;
            for source in &at.sources {
                if let Some(origin) = source.rows.column(name) {
                    found.get_or_insert(Origin::none()).add(&origin);
                }
                is_sure |= source.rows.has_column(name);
            }
            if let Some(origin) = found {
                // Whole rows nearer by are what it stands for where this is no column after all.
                rows.get_or_insert(Origin::none()).add(&origin);
                if is_sure {
                    return rows;
                }
            }
            for source in at.sources.iter().filter(|source| source.alias.as_deref() == Some(name)) {
                rows.get_or_insert(Origin::none()).add(&source.rows.whole);
            }
            scope = at.outer;
        }
        rows
    }
}
