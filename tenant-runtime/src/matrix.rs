//! The permission matrix: each role's access to each table, computed from the declarations.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    model::{
        def::{ColumnDef, NO_ROLE, ScopeDef, TableDef, TenancyDef},
        names,
        schema::Command,
    },
    registry::Models,
};

/// Each role's access to each table.
///
/// ```
/// let matrix = tenant_runtime::matrix::Matrix::declared(&tenant_runtime::models![]);
/// println!("{matrix}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The roles, each after the roles that it includes; the system role last, if it has access to a table.
    pub roles: Vec<String>,
    /// The tables by name.
    pub tables: Vec<TableAccess>,
}

/// Each role's access to one table.
///
/// ```
/// use tenant_runtime::matrix::Matrix;
///
/// let matrix = Matrix::declared(&tenant_runtime::models![]);
/// for access in &matrix.tables {
///     let [select, ..] = &access.commands;
///     for (role, cell) in matrix.roles.iter().zip(select) {
///         println!("{role} reads from {}: {cell}", access.table);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAccess {
    /// The table.
    pub table: String,
    /// For each command, in the order of [`Command::ALL`], the cell of each role.
    pub commands: [Vec<Cell>; 4],
}

/// A role's access to a table with one command.
///
/// ```
/// use tenant_runtime::matrix::Matrix;
///
/// let matrix = Matrix::declared(&tenant_runtime::models![]);
/// let cells = matrix.tables.iter().flat_map(|access| access.commands.iter().flatten());
/// let partial = cells.filter(|cell| !cell.withheld.is_empty()).count();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The accessible rows.
    pub rows: Reach,
    /// Whether a declared condition restricts these rows further.
    pub narrowed: bool,
    /// The columns on which the role has the privilege, for commands that have column privileges.
    pub columns: Vec<String>,
    /// The columns that require another role.
    pub withheld: Vec<String>,
}

/// The rows that a command can access.
///
/// ```
/// use tenant_runtime::matrix::Reach;
///
/// let rows = Reach::Tenant;
/// assert_eq!((rows.word(), Reach::Nothing.word()), ("tenant", "-"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No rows.
    Nothing,
    /// Rows owned by the user.
    Own,
    /// Rows of the tenant with visibility `team`, and rows owned by the user.
    Seen,
    /// Rows of the tenant.
    Tenant,
    /// Rows of the tenant's members.
    Members,
    /// Rows of the tenant, but only through functions.
    ByFunction,
    /// Rows of all tenants.
    EveryTenant,
    /// All rows of a table whose rows belong to no tenant.
    All,
}

/// The name of the system role in the matrix; no application role has this name.
const SYSTEM: &str = names::SYSTEM;

impl Reach {
    /// Returns the word that a cell shows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "-",
            Self::Own => "own",
            Self::Seen => "seen",
            Self::Tenant => "tenant",
            Self::Members => "members",
            Self::ByFunction => "function",
            Self::EveryTenant => "every",
            Self::All => "all",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Own => "rows owned by the user",
            Self::Seen => "rows of the tenant with visibility `team`, and rows owned by the user",
            Self::Tenant => "rows of the tenant in the context",
            Self::Members => "rows of the tenant's members",
            Self::ByFunction => "rows of the tenant, through functions that check the caller",
            Self::EveryTenant => {
                "rows of all tenants, for cross-tenant jobs with a recorded reason; rows of one tenant if the job sets it"
            }
            Self::All => "all rows: they belong to no tenant",
        }
    }
}

impl Matrix {
    /// Computes the matrix from declarations that [`check`](crate::analyze::check) accepts.
    #[must_use]
    pub fn declared(models: &Models) -> Self {
        let roles = models.tables().first().map(|def| def.tenancy.roles).unwrap_or_default();
        let system = models.tables().iter().any(|def| !def.system.is_empty()).then_some(SYSTEM);
        let row = |def: &TableDef| TableAccess {
            table: def.name.to_string(),
            commands: Command::ALL.map(|command| {
                let members = roles.iter().map(|role| cell(def, role.name, command));
                members.chain(system.map(|_| system_cell(def, command))).collect()
            }),
        };
        Self {
            roles: roles.iter().map(|role| role.name).chain(system).map(str::to_owned).collect(),
            tables: models.tables().iter().map(|def| row(def)).collect(),
        }
    }

    /// Returns the matrix as JSON.
    ///
    /// ```
    /// let json = tenant_runtime::matrix::Matrix::declared(&tenant_runtime::models![]).to_json();
    /// assert!(json["tables"].is_object());
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let cell = |cell: &Cell| json!({ "rows": cell.rows.word(), "narrowed": cell.narrowed, "columns": cell.columns, "withheld": cell.withheld });
        let command =
            |cells: &Vec<Cell>| Value::Object(self.roles.iter().cloned().zip(cells.iter().map(cell)).collect());
        let table = |access: &TableAccess| {
            let commands = Command::ALL.iter().zip(&access.commands);
            let commands = commands.map(|(name, cells)| (name.attribute().to_owned(), command(cells)));
            (access.table.clone(), Value::Object(commands.collect()))
        };
        json!({ "roles": self.roles, "tables": Value::Object(self.tables.iter().map(table).collect()) })
    }

    /// Returns the matrix as a Markdown table.
    ///
    /// ```no_run
    /// let matrix = tenant_runtime::matrix::Matrix::declared(&tenant_runtime::models![]);
    /// std::fs::write("PERMISSIONS.md", matrix.to_markdown())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut lines = self.lines(&mut |_, _, _, cell| cell.to_string()).into_iter();
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ").replace('_', "\\_"));
        let head = lines.next().unwrap_or_default();
        let rule = format!("|{}\n", "---|".repeat(head.len()));
        let mut last = String::new();
        let rest = lines.map(|mut cells| {
            // In text the table name appears once; in Markdown every line repeats it.
            if cells[0].is_empty() {
                cells[0].clone_from(&last);
            }
            last.clone_from(&cells[0]);
            line(cells)
        });
        let rest = rest.collect::<String>();
        line(head) + &rule + &rest
    }

    /// Returns the lines of a text table, each cell formatted by `show`; the first line is the header.
    pub(crate) fn lines(&self, show: &mut dyn FnMut(usize, usize, usize, &Cell) -> String) -> Vec<Vec<String>> {
        let head = ["table", "command"].map(str::to_owned).into_iter().chain(self.roles.iter().cloned());
        let mut lines = vec![head.collect::<Vec<_>>()];
        for (table, access) in self.tables.iter().enumerate() {
            let mut name = access.table.as_str();
            for (command, cells) in access.commands.iter().enumerate() {
                let cells: Vec<_> =
                    cells.iter().enumerate().map(|(role, cell)| show(table, command, role, cell)).collect();
                // Commands without access are omitted, except the first command of each table.
                if cells.iter().all(|cell| cell == Reach::Nothing.word()) && command > 0 {
                    continue;
                }
                let keys = [name.to_owned(), Command::ALL[command].attribute().to_owned()];
                lines.push(keys.into_iter().chain(cells).collect());
                name = "";
            }
        }
        lines
    }

    /// Explains the words in the cells, one per line.
    pub(crate) fn legend(&self) -> Vec<String> {
        let cells = || self.tables.iter().flat_map(|access| access.commands.iter().flatten());
        let words =
            [Reach::Own, Reach::Seen, Reach::Tenant, Reach::Members, Reach::ByFunction, Reach::EveryTenant, Reach::All];
        let used = words.into_iter().filter(|word| cells().any(|cell| cell.rows == *word));
        let mut lines: Vec<_> = used.map(|word| format!("{:9} {}", word.word(), word.meaning())).collect();
        if cells().any(|cell| cell.narrowed) {
            lines.push(format!("{:9} restricted by a declared condition", "…, if"));
        }
        if cells().any(|cell| !cell.withheld.is_empty()) {
            lines.push(format!("{:9} except a column that requires another role", "…, not x"));
        }
        lines
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rows.word())?;
        if self.narrowed {
            f.write_str(", if")?;
        }
        if !self.withheld.is_empty() {
            write!(f, ", not {}", self.withheld.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&columns_of_text(&self.lines(&mut |_, _, _, cell| cell.to_string())))?;
        f.write_str("\n")?;
        self.legend().iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Aligns the cells of the lines in columns.
pub(crate) fn columns_of_text(lines: &[Vec<String>]) -> String {
    let count = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..count).map(width).collect();
    let line = |cells: &Vec<String>| {
        let cells: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}

fn cell(def: &TableDef, role: &str, command: Command) -> Cell {
    let may = |needed| may(def.tenancy, role, needed);
    let (any, own) = match command {
        Command::Select => (def.select, None),
        Command::Insert => (def.insert, None),
        Command::Update => (def.update, def.update_own),
        Command::Delete => (def.delete, def.delete_own),
    };
    let (any, own) = (may(any), may(own));
    let rows = match def.scope {
        _ if !any && !own => Reach::Nothing,
        _ if is_by_function(def, command) => Reach::ByFunction,
        ScopeDef::Global => Reach::All,
        ScopeDef::Shared { .. } => Reach::Members,
        // The user who inserts a row becomes its owner.
        _ if !any || command == Command::Insert && def.owner.is_some() => Reach::Own,
        _ if def.visibility.is_some() && command != Command::Insert => Reach::Seen,
        _ => Reach::Tenant,
    };
    let narrowed = rows != Reach::Nothing && def.rules.iter().any(|rule| rule.command == command.attribute());
    Cell { narrowed, ..Cell::new(def, command, rows, |column| may_use(def, role, command, column)) }
}

fn system_cell(def: &TableDef, command: Command) -> Cell {
    let rows = match def.scope {
        _ if !system_may(def, command) => Reach::Nothing,
        ScopeDef::Global => Reach::All,
        _ => Reach::EveryTenant,
    };
    Cell::new(def, command, rows, |column| system_may_use(def, command, column))
}

impl Cell {
    fn new(def: &TableDef, command: Command, rows: Reach, may_use: impl Fn(&ColumnDef) -> bool) -> Self {
        let by_statement = rows != Reach::Nothing && rows != Reach::ByFunction;
        let covered = def.columns.iter().filter(|column| by_statement && is_covered(def, column, command));
        let (columns, withheld): (Vec<_>, Vec<_>) = covered.partition(|column| may_use(column));
        let names = |columns: Vec<&ColumnDef>| columns.into_iter().map(|column| column.name.to_owned()).collect();
        Self { rows, narrowed: false, columns: names(columns), withheld: names(withheld) }
    }
}

/// Returns whether a role includes the role that an attribute names; false if there is no such role.
pub(crate) fn may(tenancy: &TenancyDef, role: &str, needed: Option<&str>) -> bool {
    let Some(needed) = needed else { return false };
    let Some(def) = tenancy.roles.iter().find(|def| def.name == role) else { return false };
    role == needed || def.includes.iter().any(|below| may(tenancy, below, Some(needed)))
}

/// Returns whether a command can include a column for any role.
pub(crate) fn is_covered(def: &TableDef, column: &ColumnDef, command: Command) -> bool {
    let is_owner = def.owner == Some(column.name);
    let (is_set, is_fixed) = match def.scope {
        ScopeDef::Tenant { column: tenant } => (tenant == column.name, tenant == column.name),
        ScopeDef::Parent { column: parent, tenant } => (false, [parent, tenant].contains(&column.name)),
        ScopeDef::Shared { .. } | ScopeDef::Global => (false, false),
    };
    match command {
        Command::Select => true,
        Command::Insert => is_set || is_owner || column.app_assigned,
        Command::Update => {
            !is_fixed && !is_owner && !column.id && !column.is_computed() && !def.is_deletion_time(column)
        }
        Command::Delete => false,
    }
}

/// Returns whether a role has the privilege for a column in a command.
pub(crate) fn may_use(def: &TableDef, role: &str, command: Command, column: &ColumnDef) -> bool {
    let may = |needed| may(def.tenancy, role, needed);
    let by_role = match command {
        Command::Select => may(def.select) && may(column.select.or(def.select)),
        Command::Insert => may(def.insert) && may(column.insert.or(def.insert)),
        Command::Update => {
            let table = may(def.update) || may(def.update_own);
            table && column.update.is_none_or(|role| may(Some(role)))
        }
        Command::Delete => false,
    };
    by_role && !is_by_function(def, command) && is_covered(def, column, command)
}

/// Returns whether a role can set the time of a deletion, which it does by deleting or restoring a row.
pub(crate) fn may_set_deletion_time(def: &TableDef, role: &str) -> bool {
    def.deletion_time_setters().any(|needed| may(def.tenancy, role, Some(needed)))
}

/// Returns whether the system role has the privilege for a command.
pub(crate) fn system_may(def: &TableDef, command: Command) -> bool {
    def.system.contains(&command.attribute())
}

/// Returns whether the system role has the privilege for a column in a command; it has none for columns with the role
/// `none`.
pub(crate) fn system_may_use(def: &TableDef, command: Command, column: &ColumnDef) -> bool {
    let role = match command {
        Command::Select => column.select,
        Command::Insert => column.insert,
        Command::Update => column.update,
        Command::Delete => None,
    };
    // Without a tenant in the context, a job names the tenant of a new row.
    let names_tenant =
        command == Command::Insert && matches!(def.scope, ScopeDef::Parent { tenant, .. } if tenant == column.name);
    system_may(def, command) && role != Some(NO_ROLE) && (names_tenant || is_covered(def, column, command))
}

/// Returns whether functions replace a command, so that no member's role has its privilege: only functions change
/// memberships and create invitations.
pub(crate) fn is_by_function(def: &TableDef, command: Command) -> bool {
    match command {
        Command::Select => false,
        Command::Insert | Command::Update => def.membership.is_some() || def.invitation.is_some(),
        Command::Delete => def.membership.is_some(),
    }
}
