//! Models and versions in PostgreSQL.

use async_trait::async_trait;
use cogwire_core::id::VersionId;
use cogwire_core::json::Json;
use cogwire_core::model::{Model, ModelName, Version};
use cogwire_core::recipe::{Digest, Recipe};
use cogwire_core::time::Timestamp;
use tokio_postgres::types::ToSql;

use super::failure::Outcome;
use super::row::Row;
use super::{Class, Db, PostgresStore, Repeat};
use crate::catalog::{
    CatalogStore, ListModels, ModelCreation, ModelOrder, ModelRemoval, NewVersion, VersionRemoval,
};
use crate::error::Result;

#[async_trait]
impl CatalogStore for PostgresStore {
    async fn register(&self, versions: Vec<NewVersion>, now: Timestamp) -> Result<()> {
        self.database.work(Class::Api, Repeat::Safe, |db| register(db, &versions, now)).await
    }

    async fn model(&self, name: &ModelName) -> Result<Option<Model>> {
        self.database.read(Class::Api, |db| model(db, name)).await
    }

    async fn list_models(&self, query: &ListModels) -> Result<Vec<Model>> {
        self.database.read(Class::Api, |db| list_models(db, query)).await
    }

    async fn version(&self, id: &VersionId) -> Result<Option<Version>> {
        let found = self.database.read(Class::Api, |db| versions(db, "WHERE id = $1", id.as_str())).await?;
        Ok(found.into_iter().next())
    }

    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let rest = "WHERE model = $1 ORDER BY rank DESC";
        self.database.read(Class::Api, |db| versions(db, rest, name.as_str())).await
    }

    async fn runnable(&self) -> Result<Vec<VersionId>> {
        self.database.read(Class::Work, runnable).await
    }

    async fn create_model(
        &self,
        name: &ModelName,
        description: Option<&str>,
        now: Timestamp,
    ) -> Result<ModelCreation> {
        self.database.write(Class::Api, Repeat::Safe, |db| create_model(db, name, description, now)).await
    }

    async fn remove_version(&self, model: &ModelName, version: &VersionId) -> Result<VersionRemoval> {
        self.database.write(Class::Api, Repeat::Never, |db| remove_version(db, model, version)).await
    }

    async fn remove_model(&self, name: &ModelName) -> Result<ModelRemoval> {
        self.database.write(Class::Api, Repeat::Never, |db| remove_model(db, name)).await
    }

    async fn package_in_use(&self, digest: &Digest) -> Result<bool> {
        self.database.read(Class::Work, |db| package_in_use(db, digest)).await
    }
}

/// Registering is rare, and what it does depends on what is there: the highest rank, and versions that change their
/// model. So one registers at a time; whoever reads is not held up.
async fn register(db: Db, versions: &[NewVersion], now: Timestamp) -> Outcome<()> {
    db.execute("LOCK TABLE model IN SHARE ROW EXCLUSIVE MODE", &[]).await?;
    for new in versions {
        upsert_model(&db, &new.version.model, new.description.as_deref(), now).await?;
        upsert_version(&db, &new.version).await?;
    }
    Ok(())
}

async fn upsert_model(db: &Db, name: &ModelName, description: Option<&str>, now: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO model (name, description, created_at) VALUES ($1, $2, $3)
               ON CONFLICT (name) DO UPDATE SET description = COALESCE(excluded.description, model.description)";
    db.execute(sql, &[&name.as_str(), &description, &now.as_micros()]).await?;
    Ok(())
}

/// A version that is registered again keeps the time of its first registration, and becomes its model's latest.
async fn upsert_version(db: &Db, version: &Version) -> Outcome<()> {
    let sql = "INSERT INTO version (id, model, rank, created_at, cog_version, openapi_schema, recipe)
               VALUES ($1, $2, (SELECT COALESCE(MAX(rank), 0) + 1 FROM version WHERE model = $2), $3, $4, $5, $6)
               ON CONFLICT (id) DO UPDATE SET model = excluded.model, rank = excluded.rank, recipe = excluded.recipe,
                 cog_version = excluded.cog_version, openapi_schema = excluded.openapi_schema";
    let recipe = version.recipe.as_ref().map(Recipe::to_json);
    db.execute(
        sql,
        &[
            &version.id.as_str(),
            &version.model.as_str(),
            &version.created_at.as_micros(),
            &version.cog_version,
            &version.openapi_schema.as_str(),
            &recipe.as_ref().map(Json::as_str),
        ],
    )
    .await?;
    Ok(())
}

async fn runnable(db: Db) -> Outcome<Vec<VersionId>> {
    let rows = db.query("SELECT id FROM version WHERE recipe IS NOT NULL ORDER BY id", &[]).await?;
    rows.iter().map(|row| Row::new("version", row).parse("id")).collect()
}

/// A model that looks just as this would make it was made by an earlier try.
async fn create_model(
    db: Db,
    name: &ModelName,
    description: Option<&str>,
    now: Timestamp,
) -> Outcome<ModelCreation> {
    let sql = "WITH made AS (
                 INSERT INTO model (name, description, created_at) VALUES ($1, $2, $3)
                 ON CONFLICT (name) DO NOTHING RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM made) OR EXISTS (
                 SELECT 1 FROM model
                 WHERE name = $1 AND description IS NOT DISTINCT FROM $2 AND created_at = $3)";
    let row = db.query_one(sql, &[&name.as_str(), &description, &now.as_micros()]).await?;
    Ok(if row.try_get(0)? { ModelCreation::Created } else { ModelCreation::Exists })
}

async fn remove_version(db: Db, model: &ModelName, version: &VersionId) -> Outcome<VersionRemoval> {
    let sql = "WITH removed AS (
                 DELETE FROM version
                 WHERE id = $1 AND model = $2 AND NOT EXISTS (SELECT 1 FROM live WHERE live.version = $1)
                 RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM removed), EXISTS (SELECT 1 FROM version WHERE id = $1 AND model = $2)";
    let row = db.query_one(sql, &[&version.as_str(), &model.as_str()]).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => VersionRemoval::Removed,
        (false, true) => VersionRemoval::InUse,
        (false, false) => VersionRemoval::NotFound,
    })
}

async fn remove_model(db: Db, name: &ModelName) -> Outcome<ModelRemoval> {
    let sql = "WITH removed AS (
                 DELETE FROM model
                 WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM version WHERE version.model = $1) RETURNING name),
               uncounted AS (DELETE FROM model_run USING removed WHERE model_run.model = removed.name)
               SELECT EXISTS (SELECT 1 FROM removed), EXISTS (SELECT 1 FROM model WHERE name = $1)";
    let row = db.query_one(sql, &[&name.as_str()]).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => ModelRemoval::Removed,
        (false, true) => ModelRemoval::HasVersions,
        (false, false) => ModelRemoval::NotFound,
    })
}

async fn package_in_use(db: Db, digest: &Digest) -> Outcome<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM version WHERE recipe IS NOT NULL AND strpos(recipe, $1) > 0)";
    Ok(db.query_one(sql, &[&digest.as_str()]).await?.try_get(0)?)
}

async fn model(db: Db, name: &ModelName) -> Outcome<Option<Model>> {
    Ok(models(&db, "WHERE m.name = $1", &[&name.as_str()]).await?.pop())
}

async fn list_models(db: Db, query: &ListModels) -> Outcome<Vec<Model>> {
    let column = match query.order {
        ModelOrder::LatestVersionCreated => "v.created_at",
        ModelOrder::ModelCreated => "m.created_at",
    };
    // As in SQLite, what has no value comes first in ascending order.
    let direction = if query.descending { "DESC NULLS LAST" } else { "ASC NULLS FIRST" };
    let rest = format!("ORDER BY {column} {direction}, m.name {direction} LIMIT $1 OFFSET $2");
    models(&db, &rest, &[&i64::from(query.limit), &i64::from(query.offset)]).await
}

/// Models with their latest versions.
async fn models(db: &Db, rest: &str, values: &[&(dyn ToSql + Sync)]) -> Outcome<Vec<Model>> {
    let sql = format!(
        "SELECT m.name, m.description, m.created_at, COALESCE(r.runs, 0) AS runs,
           v.id, v.created_at AS version_created_at, v.cog_version, v.openapi_schema, v.recipe
         FROM model m LEFT JOIN model_run r ON r.model = m.name
           LEFT JOIN version v ON v.model = m.name AND v.rank = (SELECT MAX(rank) FROM version WHERE model = m.name)
         {rest}"
    );
    let rows = db.query(&sql, values).await?;
    rows.iter().map(|row| decode_model(Row::new("model", row))).collect()
}

fn decode_model(row: Row<'_>) -> Outcome<Model> {
    let name: ModelName = row.parse("name")?;
    Ok(Model {
        description: row.get("description")?,
        created_at: row.time("created_at")?,
        run_count: row.count("runs")?,
        latest_version: match row.parse_optional("id")? {
            Some(id) => Some(decode_version(row, id, name.clone(), "version_created_at")?),
            None => None,
        },
        name,
    })
}

fn decode_version(
    row: Row<'_>,
    id: VersionId,
    model: ModelName,
    created_at: &'static str,
) -> Outcome<Version> {
    Ok(Version {
        id,
        model,
        created_at: row.time(created_at)?,
        cog_version: row.get("cog_version")?,
        openapi_schema: row.json("openapi_schema")?,
        recipe: row.parse_optional("recipe")?,
    })
}

async fn versions(db: Db, rest: &str, value: &str) -> Outcome<Vec<Version>> {
    let sql =
        format!("SELECT id, model, created_at, cog_version, openapi_schema, recipe FROM version {rest}");
    let rows = db.query(&sql, &[&value]).await?;
    let decode = |row: Row<'_>| decode_version(row, row.parse("id")?, row.parse("model")?, "created_at");
    rows.iter().map(|row| decode(Row::new("version", row))).collect()
}
