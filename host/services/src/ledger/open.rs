//! Opening the database with all versions of the tables.

use super::{LedgerError, events};
use crate::files;
use cara_database::{Database, Migration, Place, Schema};
use tokio::sync::watch;

/// A version: its number and name, the file of the way to it, and of the way back.
macro_rules! version {
    ($number:literal, $name:literal, $up:literal $(, $down:literal)?) => {
        Migration {
            number: $number,
            name: $name,
            up: include_str!(concat!("../../migrations/", $up, ".sql")),
            down: [$(Some(include_str!(concat!("../../migrations/", $down, ".sql"))),)? None][0],
        }
    };
}

/// All versions of the tables; one that was released is never changed.
pub const MIGRATIONS: [Migration; 11] = [
    version!(1, "ledger", "0001_ledger"),
    version!(2, "records", "0002_records"),
    version!(3, "labels", "0003_labels"),
    version!(4, "model", "0004_model"),
    version!(5, "sends", "0005_sends"),
    version!(6, "people", "0006_people", "0006_people.down"),
    version!(7, "boxes", "0007_boxes", "0007_boxes.down"),
    version!(8, "pins", "0008_pins", "0008_pins.down"),
    version!(9, "programs", "0009_programs", "0009_programs.down"),
    version!(10, "credentials", "0010_credentials", "0010_credentials.down"),
    version!(11, "responses", "0011_responses", "0011_responses.down"),
];

/// Opens the database, made and brought to this version's tables if need be.
pub(super) async fn open(place: &Place, audit: &[u8; 32], told: &watch::Sender<()>) -> Result<Database, LedgerError> {
    // Only with a new database: a head that is missing later was removed.
    let schema = Schema { migrations: &MIGRATIONS, first: &|| events::head_at(audit, 0, &[0; 32]) };
    if let Place::Unknown = place {
        return Err(LedgerError::NoPlace);
    }
    if let Place::File(path) = place
        && files::private_len(path)?.is_none()
    {
        // Made beside its place and put there when it is whole, so that a crash leaves all of it or none, and of processes
        // that start at once all get the first one's.
        let temporary = files::temporary_beside(path)?;
        Database::create(&temporary, place, &schema).await?;
        files::publish(temporary, path)?;
    }
    Ok(Database::open(place, &schema, told).await?)
}
