//! [`Version`]: a commit's id as a `uuid`.

use std::error::Error;

use bytes::BytesMut;
use kisflow_core::durable::CommitId;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// A commit's id as a `uuid`, which is 16 bytes in both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version(pub(super) CommitId);

impl ToSql for Version {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0.to_bytes());
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Version {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(CommitId::from_bytes(raw.try_into()?)))
    }

    accepts!(UUID);
}
