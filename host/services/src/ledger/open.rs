//! Opening the database with all versions of the tables.

use super::{LedgerError, events};
use crate::files;
use cara_database::{Database, Migration, Place, Schema};

/// All versions of the tables; one that was released is never changed.
const MIGRATIONS: [Migration; 7] = [
    Migration { number: 1, name: "ledger", up: include_str!("../../migrations/0001_ledger.sql") },
    Migration { number: 2, name: "records", up: include_str!("../../migrations/0002_records.sql") },
    Migration { number: 3, name: "labels", up: include_str!("../../migrations/0003_labels.sql") },
    Migration { number: 4, name: "model", up: include_str!("../../migrations/0004_model.sql") },
    Migration { number: 5, name: "sends", up: include_str!("../../migrations/0005_sends.sql") },
    Migration { number: 6, name: "people", up: include_str!("../../migrations/0006_people.sql") },
    Migration { number: 7, name: "boxes", up: include_str!("../../migrations/0007_boxes.sql") },
];

/// Opens the database, made and brought to this version's tables if need be.
pub(super) async fn open(place: &Place, audit: &[u8; 32]) -> Result<Database, LedgerError> {
    // Only with a new database: a head that is missing later was removed.
    let schema = Schema { migrations: &MIGRATIONS, first: &|| events::head_at(audit, 0, &[0; 32]) };
    let Place::File(path) = place;
    if files::private_len(path)?.is_none() {
        // Made beside its place and put there when it is whole, so that a crash leaves all of it or none, and of processes
        // that start at once all get the first one's.
        let temporary = files::temporary_beside(path)?;
        Database::create(&temporary, place, &schema).await?;
        files::publish(temporary, path)?;
    }
    Ok(Database::open(place, &schema).await?)
}
