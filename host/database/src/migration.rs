//! Versions of the tables: applied one after the other, each noted, and undone
//! from the last.
//!
//! The notes are those of sqlx, which applied the first versions: table `_sqlx_migrations`, with a SHA-384 of each text.

use crate::{Error, Failure, Place, Query, Sql, query, query_as};
use sha2::{Digest, Sha384};

/// A version of the tables; one that was released is never changed.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1 without gaps.
    pub number: i64,
    /// What it is about.
    pub name: &'static str,
    /// The way to it from the version before.
    pub up: &'static str,
    /// The way back, if there is one; its line `-- Lost: …` says what is lost on it.
    pub down: Option<&'static str>,
}

/// What a database has to hold.
pub struct Schema<'a> {
    /// All versions of the tables, the first first.
    pub migrations: &'a [Migration],
    /// Runs once, when the database is made.
    pub first: &'a (dyn Fn() -> Query + Sync),
}

/// How a database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is empty.
    New,
    /// Versions are missing.
    Behind,
    /// It has all.
    Whole,
}

/// Whether tables of this version are missing; an error if the database is not ours to use.
pub(crate) async fn standing(sql: &mut Sql<'_, Error>, place: &Place, schema: &Schema<'_>) -> Result<Standing, Error> {
    // How many tables there are, and whether the notes are among them.
    let tables = match place {
        Place::File(_) | Place::Unknown => {
            "SELECT COUNT(*), COALESCE(SUM(name = '_sqlx_migrations'), 0) FROM sqlite_master WHERE type = 'table'"
        }
        Place::Server(_) => {
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE tablename = '_sqlx_migrations') FROM pg_tables \
             WHERE schemaname = current_schema()"
        }
    };
    match (place, sql.one(query_as::<(i64, i64)>(tables)).await?) {
        (_, Some((_, 1..))) => {}
        // A file comes to its place with all tables in it: an empty one was none of ours.
        (Place::Server(_), Some((0, _))) => return Ok(Standing::New),
        _ => return Err(Error::new(place, Failure::Foreign)),
    }
    let applied = query_as::<(i64, Vec<u8>)>("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
    let applied = sql.all(applied).await?;
    let newest = schema.migrations.iter().map(|migration| migration.number).max();
    for (number, checksum) in &applied {
        match schema.migrations.iter().find(|migration| migration.number == *number) {
            Some(migration) if migration.checksum()[..] == checksum[..] => {}
            None if Some(*number) > newest => return Err(Error::new(place, Failure::Newer)),
            _ => return Err(Error::new(place, Failure::Foreign)),
        }
    }
    Ok(if applied.len() < schema.migrations.len() { Standing::Behind } else { Standing::Whole })
}

/// Makes all tables, and what is in them from the first.
pub(crate) async fn create(sql: &mut Sql<'_, Error>, place: &Place, schema: &Schema<'_>) -> Result<(), Error> {
    if let Place::Server(_) = place {
        // The texts say what SQLite says.
        sql.script("CREATE DOMAIN blob AS bytea").await?;
    }
    // The words are those of sqlx.
    let notes = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                 installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
                 checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
    sql.script(notes).await?;
    for migration in schema.migrations {
        migration.apply(sql).await?;
    }
    sql.execute((schema.first)()).await.map(drop)
}

/// Applies the versions that are missing, within a transaction.
pub(crate) async fn upgrade(sql: &mut Sql<'_, Error>, place: &Place, schema: &Schema<'_>) -> Result<(), Error> {
    if standing(sql, place, schema).await? == Standing::New {
        return create(sql, place, schema).await;
    }
    let applied = sql.all(query_as::<(i64,)>("SELECT version FROM _sqlx_migrations")).await?;
    for migration in schema.migrations.iter().filter(|migration| !applied.contains(&(migration.number,))) {
        migration.apply(sql).await?;
    }
    Ok(())
}

impl Migration {
    /// What the way back loses, if there is a way back.
    pub fn lost(&self) -> Option<&'static str> {
        let lost = self.down?.lines().find_map(|line| line.strip_prefix("-- Lost: "))?;
        Some(lost.trim_end_matches('.'))
    }

    fn checksum(&self) -> [u8; 48] {
        Sha384::digest(self.up.as_bytes()).into()
    }

    async fn apply(&self, sql: &mut Sql<'_, Error>) -> Result<(), Error> {
        sql.script(self.up).await?;
        let note = query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ($1, $2, $3, $4, 0)",
        );
        sql.execute(note.bind(self.number).bind(self.name).bind(true).bind(&self.checksum()[..])).await.map(drop)
    }

    /// Undoes it, within a transaction; false when there is no way back or another version is the last one.
    pub async fn undo<E: From<Error>>(&self, sql: &mut Sql<'_, E>) -> Result<bool, E> {
        let last = sql.one(query_as::<(Option<i64>,)>("SELECT MAX(version) FROM _sqlx_migrations")).await?;
        let (Some(down), Some((Some(last),))) = (self.down, last) else { return Ok(false) };
        if last != self.number {
            return Ok(false);
        }
        sql.script(down).await?;
        let note = query("DELETE FROM _sqlx_migrations WHERE version = $1").bind(self.number);
        sql.execute(note).await.map(|_| true)
    }
}
