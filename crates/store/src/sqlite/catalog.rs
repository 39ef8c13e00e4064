//! Models and versions in SQLite.

use async_trait::async_trait;
use cogwire_core::id::VersionId;
use cogwire_core::json::Json;
use cogwire_core::model::{Model, ModelName, Version};
use cogwire_core::recipe::{Digest, Recipe};
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, Params, params};

use super::SqliteStore;
use super::failure::Outcome;
use super::row::Row;
use super::writer::Class;
use crate::catalog::{
    CatalogStore, ListModels, ModelCreation, ModelOrder, ModelRemoval, NewVersion, VersionRemoval,
};
use crate::error::Result;

#[async_trait]
impl CatalogStore for SqliteStore {
    async fn register(&self, versions: Vec<NewVersion>, now: Timestamp) -> Result<()> {
        self.write(Class::Api, move |batch| register(batch.db, &versions, now)).await
    }

    async fn model(&self, name: &ModelName) -> Result<Option<Model>> {
        let name = name.clone();
        self.read(move |db| Ok(models(db, "WHERE m.name = ?1", [name.as_str()])?.pop())).await
    }

    async fn list_models(&self, query: &ListModels) -> Result<Vec<Model>> {
        let query = query.clone();
        self.read(move |db| list_models(db, &query)).await
    }

    async fn version(&self, id: &VersionId) -> Result<Option<Version>> {
        let id = id.clone();
        self.read(move |db| Ok(versions(db, "WHERE id = ?1", [id.as_str()])?.pop())).await
    }

    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let name = name.clone();
        self.read(move |db| versions(db, "WHERE model = ?1 ORDER BY rank DESC", [name.as_str()])).await
    }

    async fn runnable(&self) -> Result<Vec<VersionId>> {
        self.read(runnable).await
    }

    async fn create_model(
        &self,
        name: &ModelName,
        description: Option<&str>,
        now: Timestamp,
    ) -> Result<ModelCreation> {
        let (name, description) = (name.clone(), description.map(str::to_owned));
        self.write(Class::Api, move |batch| create_model(batch.db, &name, description.as_deref(), now)).await
    }

    async fn remove_version(&self, model: &ModelName, version: &VersionId) -> Result<VersionRemoval> {
        let (model, version) = (model.clone(), version.clone());
        self.write(Class::Api, move |batch| remove_version(batch.db, &model, &version)).await
    }

    async fn remove_model(&self, name: &ModelName) -> Result<ModelRemoval> {
        let name = name.clone();
        self.write(Class::Api, move |batch| remove_model(batch.db, &name)).await
    }

    async fn package_in_use(&self, digest: &Digest) -> Result<bool> {
        let digest = digest.clone();
        self.read(move |db| package_in_use(db, &digest)).await
    }
}

fn register(db: &Connection, versions: &[NewVersion], now: Timestamp) -> Outcome<()> {
    for new in versions {
        upsert_model(db, &new.version.model, new.description.as_deref(), now)?;
        upsert_version(db, &new.version)?;
    }
    Ok(())
}

fn upsert_model(db: &Connection, name: &ModelName, description: Option<&str>, now: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO model (name, description, created_at) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET description = COALESCE(excluded.description, description)";
    db.prepare_cached(sql)?.execute(params![name.as_str(), description, now.as_micros()])?;
    Ok(())
}

/// A version that is registered again keeps the time of its first registration, and becomes its model's latest.
fn upsert_version(db: &Connection, version: &Version) -> Outcome<()> {
    let sql = "INSERT INTO version (id, model, rank, created_at, cog_version, openapi_schema, recipe)
               VALUES (?1, ?2, (SELECT COALESCE(MAX(rank), 0) + 1 FROM version WHERE model = ?2), ?3, ?4, ?5, ?6)
               ON CONFLICT DO UPDATE SET model = excluded.model, rank = excluded.rank, recipe = excluded.recipe,
                 cog_version = excluded.cog_version, openapi_schema = excluded.openapi_schema";
    db.prepare_cached(sql)?.execute(params![
        version.id.as_str(),
        version.model.as_str(),
        version.created_at.as_micros(),
        version.cog_version,
        version.openapi_schema.as_str(),
        version.recipe.as_ref().map(Recipe::to_json).as_ref().map(Json::as_str),
    ])?;
    Ok(())
}

fn runnable(db: &Connection) -> Outcome<Vec<VersionId>> {
    let mut statement = db.prepare_cached("SELECT id FROM version WHERE recipe IS NOT NULL ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(Row::new("version", row).parse("id")?);
    }
    Ok(ids)
}

fn create_model(
    db: &Connection,
    name: &ModelName,
    description: Option<&str>,
    now: Timestamp,
) -> Outcome<ModelCreation> {
    let sql = "INSERT INTO model (name, description, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let made = db.prepare_cached(sql)?.execute(params![name.as_str(), description, now.as_micros()])? > 0;
    Ok(if made { ModelCreation::Created } else { ModelCreation::Exists })
}

fn remove_version(db: &Connection, model: &ModelName, version: &VersionId) -> Outcome<VersionRemoval> {
    let key = [version.as_str(), model.as_str()];
    let sql = "DELETE FROM version
               WHERE id = ?1 AND model = ?2 AND NOT EXISTS (SELECT 1 FROM live WHERE version = ?1)";
    if db.prepare_cached(sql)?.execute(key)? > 0 {
        return Ok(VersionRemoval::Removed);
    }
    let found = db.prepare_cached("SELECT 1 FROM version WHERE id = ?1 AND model = ?2")?.exists(key)?;
    Ok(if found { VersionRemoval::InUse } else { VersionRemoval::NotFound })
}

fn remove_model(db: &Connection, name: &ModelName) -> Outcome<ModelRemoval> {
    let name = [name.as_str()];
    let sql = "DELETE FROM model WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM version WHERE model = ?1)";
    if db.prepare_cached(sql)?.execute(name)? > 0 {
        db.prepare_cached("DELETE FROM model_run WHERE model = ?1")?.execute(name)?;
        return Ok(ModelRemoval::Removed);
    }
    let found = db.prepare_cached("SELECT 1 FROM model WHERE name = ?1")?.exists(name)?;
    Ok(if found { ModelRemoval::HasVersions } else { ModelRemoval::NotFound })
}

fn package_in_use(db: &Connection, digest: &Digest) -> Outcome<bool> {
    let sql = "SELECT 1 FROM version WHERE recipe IS NOT NULL AND instr(recipe, ?1) > 0";
    Ok(db.prepare_cached(sql)?.exists([digest.as_str()])?)
}

fn list_models(db: &Connection, query: &ListModels) -> Outcome<Vec<Model>> {
    let column = match query.order {
        ModelOrder::LatestVersionCreated => "version_created_at",
        ModelOrder::ModelCreated => "m.created_at",
    };
    let direction = if query.descending { "DESC" } else { "ASC" };
    let rest = format!("ORDER BY {column} {direction}, m.name {direction} LIMIT ?1 OFFSET ?2");
    models(db, &rest, params![query.limit, query.offset])
}

/// Models with their latest versions.
fn models(db: &Connection, rest: &str, values: impl Params) -> Outcome<Vec<Model>> {
    let sql = format!(
        "SELECT m.name, m.description, m.created_at, COALESCE(r.runs, 0) AS runs,
           v.id, v.created_at AS version_created_at, v.cog_version, v.openapi_schema, v.recipe
         FROM model m LEFT JOIN model_run r ON r.model = m.name
           LEFT JOIN version v ON v.model = m.name AND v.rank = (SELECT MAX(rank) FROM version WHERE model = m.name)
         {rest}"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(values)?;
    let mut models = Vec::new();
    while let Some(row) = rows.next()? {
        models.push(decode_model(&Row::new("model", row))?);
    }
    Ok(models)
}

fn decode_model(row: &Row<'_>) -> Outcome<Model> {
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
    row: &Row<'_>,
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

fn versions(db: &Connection, rest: &str, values: impl Params) -> Outcome<Vec<Version>> {
    let sql =
        format!("SELECT id, model, created_at, cog_version, openapi_schema, recipe FROM version {rest}");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(values)?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("version", row);
        versions.push(decode_version(&row, row.parse("id")?, row.parse("model")?, "created_at")?);
    }
    Ok(versions)
}
