//! What the new version is: decided from an upload and the version before it, without touching anything.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hearth_model::{Binding, BindingKind, Compatibility, Format, Limits, ModuleError, ModuleKind};
use http::StatusCode;
use jiff::civil::Date;
use serde_json::Value;

use super::form::{Form, Part};
use super::metadata::{Metadata, ScriptSettings, WantedObjects};
use crate::assets::WantedAssets;
use crate::error::{ApiError, code};

/// What becomes of an `inherit` binding of which the version before knows nothing (`bindings_inherit=strict`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherit {
    /// The upload is refused with code 10057.
    Strict,
    /// The binding is left out, as Cloudflare does without the parameter.
    Lax,
}

/// The version that an upload asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How the code is written.
    pub format: Format,
    /// Its modules in their order, source maps too.
    pub modules: Vec<PlannedModule>,
    /// Its bindings, secrets without text, and where their texts come from.
    pub bindings: PlannedBindings,
    /// Date and flags.
    pub compatibility: Compatibility,
    /// Limits.
    pub limits: Limits,
    /// Annotations that the client gave.
    pub annotations: BTreeMap<String, String>,
    /// Settings of the worker, not of the version.
    pub settings: ScriptSettings,
    /// What becomes of the worker's Durable Objects.
    pub objects: WantedObjects,
    /// Its static assets.
    pub assets: WantedAssets,
}

/// A module with its content.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedModule {
    /// The specifier.
    pub name: String,
    /// How the runtime takes it.
    pub kind: ModuleKind,
    /// The content.
    pub content: Bytes,
}

/// Bindings of a new version.
#[derive(Clone, Default, PartialEq)]
pub struct PlannedBindings {
    /// All bindings in their order; secrets without text.
    pub bindings: Vec<Binding>,
    /// Where each secret's text comes from, by the binding's name.
    pub secrets: BTreeMap<String, PlannedSecret>,
}

impl std::fmt::Debug for PlannedBindings {
    /// Names only: the plan holds secrets in the clear.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.bindings.iter().map(|binding| &binding.name)).finish()
    }
}

/// Where a secret's text comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum PlannedSecret {
    /// The client sent it.
    New(String),
    /// From the version before, where the secret has this name.
    Kept(String),
}

/// Plans a version.
///
/// `previous` are the bindings of the worker's newest version (empty when there is none), `today` (UTC) bounds the
/// compatibility date, `max_bytes` the code, source maps not counted.
///
/// # Errors
/// 400 with the code that wrangler knows: 10021 for what does not hold, 10027 for too large, 10057 for `inherit`.
pub fn plan(
    form: Form,
    previous: &[Binding],
    inherit: Inherit,
    today: Date,
    max_bytes: u64,
) -> Result<Plan, ApiError> {
    let metadata = Metadata::read(&form.document)?;
    let modules = read_modules(form.parts, metadata.main_module.is_some())?;
    check_size(&modules, max_bytes)?;
    let format = read_format(&metadata, &modules)?;
    let bindings = resolve_bindings(&metadata.bindings, &metadata.keep_bindings, previous, inherit)?;
    check_parts(&bindings.bindings, &format, &modules)?;
    let compatibility = Compatibility::new(
        metadata.compatibility_date.as_deref().filter(|date| !date.is_empty()),
        metadata.compatibility_flags,
        today,
    )?;
    Ok(Plan {
        format,
        modules,
        bindings,
        compatibility,
        limits: metadata.limits,
        annotations: metadata.annotations,
        settings: metadata.settings,
        objects: metadata.objects,
        assets: metadata.assets,
    })
}

/// The bindings of a new version: those that were sent, `inherit` ones taken from the version before, and that
/// version's bindings of the kept types unless they are redefined.
///
/// # Errors
/// 400 naming the binding.
pub fn resolve_bindings(
    wanted: &[Value],
    keep: &[String],
    previous: &[Binding],
    inherit: Inherit,
) -> Result<PlannedBindings, ApiError> {
    let mut planned = PlannedBindings::default();
    let mut seen = BTreeSet::new();
    for value in wanted {
        let binding = Binding::from_wire(value)?;
        if !seen.insert(binding.name.clone()) {
            return Err(ApiError::invalid_upload(format!("binding {} is declared twice.", binding.name)));
        }
        planned.add(binding, value, previous, inherit)?;
    }
    for binding in previous {
        if keep.iter().any(|kind| kind == binding.type_name()) && seen.insert(binding.name.clone()) {
            planned.keep(binding, binding.name.clone());
        }
    }
    Ok(planned)
}

impl PlannedBindings {
    fn add(
        &mut self,
        binding: Binding,
        wire: &Value,
        previous: &[Binding],
        inherit: Inherit,
    ) -> Result<(), ApiError> {
        let find = |name: &str| previous.iter().find(|other| other.name == name);
        match &binding.kind {
            BindingKind::Inherit { old_name } => {
                if wire.get("version_id").and_then(Value::as_str).is_some_and(|version| version != "latest") {
                    return Err(ApiError::not_supported(&format!(
                        "inherit binding {}: bindings of a version other than the latest are",
                        binding.name
                    )));
                }
                let from = old_name.clone().unwrap_or_else(|| binding.name.clone());
                match (find(&from), inherit) {
                    (Some(old), _) => self.keep(old, binding.name),
                    (None, Inherit::Lax) => {}
                    (None, Inherit::Strict) => {
                        return Err(ApiError::bad_request(
                            code::INVALID_INHERIT,
                            format!(
                                "inherit binding '{}' is invalid: the previous version has no binding of the name '{from}'.",
                                binding.name
                            ),
                        ));
                    }
                }
            }
            BindingKind::SecretText { text: Some(text) } => {
                self.secrets.insert(binding.name.clone(), PlannedSecret::New(text.clone()));
                self.bindings.push(binding.redacted());
            }
            BindingKind::SecretText { text: None } => match find(&binding.name) {
                Some(old) if old.is_secret() => self.keep(old, binding.name),
                _ => {
                    return Err(ApiError::invalid_upload(format!(
                        "binding {} of type secret_text has no `text`, and the previous version has no such secret to keep.",
                        binding.name
                    )));
                }
            },
            _ => self.bindings.push(binding),
        }
        Ok(())
    }

    /// Takes a binding over from the version before, under a name that may be new.
    fn keep(&mut self, old: &Binding, name: String) {
        if old.is_secret() {
            self.secrets.insert(name.clone(), PlannedSecret::Kept(old.name.clone()));
        }
        self.bindings.push(Binding { name, kind: old.redacted().kind });
    }

    /// The workers that service bindings name, each with the binding's name.
    pub fn services(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bindings.iter().filter_map(|binding| match &binding.kind {
            BindingKind::Service { service, .. } => Some((binding.name.as_str(), service.as_str())),
            _ => None,
        })
    }
}

fn read_modules(parts: Vec<Part>, es_modules: bool) -> Result<Vec<PlannedModule>, ApiError> {
    let mut names = BTreeSet::new();
    parts
        .into_iter()
        .map(|part| {
            if !names.insert(part.name.clone()) {
                return Err(ApiError::invalid_upload(format!("module {:?} was uploaded twice.", part.name)));
            }
            let kind = match part.media_type.as_deref().filter(|text| !text.is_empty()) {
                Some(media_type) => ModuleKind::from_media_type(&part.name, media_type)?,
                None => kind_by_extension(&part.name, es_modules)?,
            };
            Ok(PlannedModule { name: part.name, kind, content: part.content })
        })
        .collect()
}

/// For parts without a media type, which hand-written clients send.
fn kind_by_extension(name: &str, es_modules: bool) -> Result<ModuleKind, ModuleError> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    Ok(match extension {
        Some("mjs") => ModuleKind::EsModule,
        Some("js") if es_modules => ModuleKind::EsModule,
        Some("js" | "cjs") => ModuleKind::CommonJs,
        Some("wasm") => ModuleKind::Wasm,
        Some("json") => ModuleKind::Json,
        Some("map") => ModuleKind::SourceMap,
        Some("txt" | "html" | "sql") => ModuleKind::Text,
        Some("py") => return Err(ModuleError::Python(name.to_owned())),
        _ => ModuleKind::Data,
    })
}

fn check_size(modules: &[PlannedModule], max_bytes: u64) -> Result<(), ApiError> {
    let code_bytes: u64 = modules
        .iter()
        .filter(|module| module.kind != ModuleKind::SourceMap)
        .map(|module| module.content.len() as u64)
        .sum();
    if code_bytes > max_bytes {
        return Err(too_large(max_bytes));
    }
    Ok(())
}

/// 10027: wrangler then lists the biggest dependencies.
pub(crate) fn too_large(max_bytes: u64) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        code::TOO_LARGE,
        format!("Your Worker exceeded the size limit of {:.1} MiB.", max_bytes as f64 / f64::from(1 << 20)),
    )
}

fn read_format(metadata: &Metadata, modules: &[PlannedModule]) -> Result<Format, ApiError> {
    let find = |name: &str, role: &str| {
        modules.iter().find(|module| module.name == name).ok_or_else(|| {
            ApiError::invalid_upload(format!(
                "No such module {name:?}: `{role}` names it, the upload has no such part."
            ))
        })
    };
    match (&metadata.main_module, &metadata.body_part) {
        (Some(_), Some(_)) => Err(ApiError::invalid_upload(
            "The metadata has both `main_module` and `body_part`; only one may be given.",
        )),
        (None, None) if modules.is_empty() && (metadata.assets.given.is_some() || metadata.assets.keep) => {
            Ok(Format::Assets)
        }
        (None, None) => Err(ApiError::invalid_upload(
            "The metadata names no entry: `main_module` (modules) or `body_part` (service worker) is missing.",
        )),
        (Some(main), None) => match find(main, "main_module")?.kind {
            ModuleKind::EsModule => Ok(Format::Modules { main: main.clone() }),
            other => Err(ApiError::invalid_upload(format!(
                "The main module {main:?} has the type {}; it must be application/javascript+module.",
                other.media_type()
            ))),
        },
        (None, Some(body)) => match find(body, "body_part")?.kind {
            ModuleKind::CommonJs | ModuleKind::EsModule | ModuleKind::Text => {
                Ok(Format::ServiceWorker { body: body.clone() })
            }
            other => Err(ApiError::invalid_upload(format!(
                "The script {body:?} has the type {}; it must be application/javascript.",
                other.media_type()
            ))),
        },
    }
}

/// Bindings that refer to parts: they belong to the service-worker format, and the part must be there.
fn check_parts(bindings: &[Binding], format: &Format, modules: &[PlannedModule]) -> Result<(), ApiError> {
    for binding in bindings {
        let part = match &binding.kind {
            BindingKind::WasmModule { part }
            | BindingKind::TextBlob { part }
            | BindingKind::DataBlob { part } => part,
            _ => continue,
        };
        if matches!(format, Format::Modules { .. }) {
            return Err(ApiError::invalid_upload(format!(
                "binding {} of type {} is for service workers; import {part:?} as a module instead.",
                binding.name,
                binding.type_name()
            )));
        }
        if !modules.iter().any(|module| module.name == *part) {
            return Err(ApiError::invalid_upload(format!(
                "binding {} of type {} refers to the part {part:?}, which the upload does not have.",
                binding.name,
                binding.type_name()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
