//! What SQLite's result codes mean to an operator.

use claviger_core::port::StoreError;
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Translates a failure of SQLite.
pub(super) fn translate(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, message) = error else {
        // Every other kind is about the shape of a row or of a statement: the data is not what the schema says.
        return StoreError::Corrupt(error.to_string());
    };
    let text = message.unwrap_or_else(|| failure.to_string());
    match failure.extended_code {
        ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA => return StoreError::Corrupt(text),
        // The shared-memory file could not grow, which takes a full device.
        ffi::SQLITE_IOERR_SHMSIZE => return StoreError::Full,
        _ => {}
    }
    match failure.code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch => {
            StoreError::Corrupt(text)
        }
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly,
        ErrorCode::SystemIoFailure => {
            StoreError::Io(format!("{text} (code {}); check the device, then restart", failure.extended_code))
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Unavailable("another writer holds the store for too long; try again".to_owned())
        }
        ErrorCode::CannotOpen => StoreError::Unavailable(format!(
            "{text}; check that the directory is there and belongs to this account, and the limit of open files"
        )),
        ErrorCode::OutOfMemory => StoreError::Unavailable("out of memory; give the process more".to_owned()),
        _ => StoreError::Unavailable(format!("{text} (code {})", failure.extended_code)),
    }
}

/// Translates a failure of the operating system on a file of the store.
pub(super) fn translate_io(error: &std::io::Error, what: &str) -> StoreError {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => StoreError::Full,
        PermissionDenied | ReadOnlyFilesystem => StoreError::ReadOnly,
        _ => StoreError::Io(format!("{what}: {error}")),
    }
}

/// A row that cannot be read as a value.
pub(super) fn damaged(table: &str, what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("table `{table}`: {what}"))
}

/// A value that breaks an invariant of its table and was therefore not written. What is stored is as it was: whoever handed
/// it in is at fault.
pub(super) fn refused(table: &str, what: impl std::fmt::Display) -> StoreError {
    StoreError::Refused(format!("table `{table}`: {what}"))
}

/// Is it a name that is taken, a row that is there already, or one that is missing?
pub(super) fn is_conflict(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _) if matches!(
        failure.extended_code,
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_FOREIGNKEY
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn codes_say_what_an_operator_can_do() {
        assert!(matches!(translate(failure(ffi::SQLITE_CORRUPT)), StoreError::Corrupt(_)));
        assert!(matches!(translate(failure(ffi::SQLITE_NOTADB)), StoreError::Corrupt(_)));
        assert!(matches!(translate(failure(ffi::SQLITE_IOERR_CORRUPTFS)), StoreError::Corrupt(_)));
        assert_eq!(translate(failure(ffi::SQLITE_FULL)), StoreError::Full);
        assert_eq!(translate(failure(ffi::SQLITE_IOERR_SHMSIZE)), StoreError::Full);
        assert_eq!(translate(failure(ffi::SQLITE_READONLY_DBMOVED)), StoreError::ReadOnly);
        assert!(matches!(translate(failure(ffi::SQLITE_IOERR_FSYNC)), StoreError::Io(_)));
        assert!(matches!(translate(failure(ffi::SQLITE_BUSY)), StoreError::Unavailable(_)));
        assert!(matches!(translate(rusqlite::Error::InvalidQuery), StoreError::Corrupt(_)));
        let io = |kind| translate_io(&std::io::Error::from(kind), "x");
        assert_eq!(io(std::io::ErrorKind::StorageFull), StoreError::Full);
        assert_eq!(io(std::io::ErrorKind::ReadOnlyFilesystem), StoreError::ReadOnly);
        assert!(matches!(io(std::io::ErrorKind::NotFound), StoreError::Io(_)));
    }

    #[test]
    fn only_taken_and_missing_rows_are_conflicts() {
        for code in [
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
        ] {
            assert!(is_conflict(&failure(code)));
        }
        assert!(!is_conflict(&failure(ffi::SQLITE_CONSTRAINT_CHECK)));
        assert!(!is_conflict(&failure(ffi::SQLITE_FULL)));
    }
}
