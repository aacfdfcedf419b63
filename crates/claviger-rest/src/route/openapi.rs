//! Writes the OpenAPI 3.1 document of a plane from its rows.

use claviger_client::types::{Problem, header, problem};
use utoipa::openapi::content::{Content as MediaContent, ContentBuilder};
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr,
    Required,
};

use super::example::{Examples, named};
use super::row::{Content, NamedSchema, Row};

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain";

const UUID: &str = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";

/// What paths have in braces: what it is, and an example.
const IN_PATHS: [(&str, &str, &str); 18] = [
    ("access", "Identifier of an emergency access.", UUID),
    ("alert", "Identifier of an alert.", UUID),
    ("alias", "Name of an alias, its slashes as `%2F`.", "orders-current"),
    ("approval", "Identifier of an approval.", UUID),
    ("asset", "A data asset, by identifier or name.", "card-numbers"),
    ("capacity", "What a person answers for.", "dpo"),
    ("credential", "Identifier of a credential.", UUID),
    ("declaration", "Identifier of a declaration.", UUID),
    ("grant", "Identifier of a grant.", UUID),
    ("index", "Index of an entry in the log of the shard, from 0 on.", "1204"),
    ("key", "A key, by identifier or full name, its slash as `%2F`.", "orders%2Fmain"),
    ("path", "Path of a file of a log, as C2SP tlog-tiles has it, or `root/checkpoint`.", "root/checkpoint"),
    ("principal", "A principal, by identifier or name.", "app"),
    ("reason", "Identifier of a reason.", UUID),
    ("review", "Identifier of an access review.", UUID),
    ("ring", "A key ring, by identifier or name.", "orders"),
    ("role", "A role.", "auditor"),
    ("shard", "Number of a shard.", "1"),
];

/// What headers say.
const IN_HEADERS: [(&str, &str); 9] = [
    (header::ALGORITHM, "How to sign; the key's own way unless said otherwise."),
    (header::CONTEXT, "The encryption context of raw bytes: a JSON object of strings, in base64."),
    (
        header::IDEMPOTENCY_KEY,
        "The caller's word for the call, 1 to 128 visible characters: repeated with it, the call answers what the first one made.",
    ),
    (IF_MATCH, "Do it only at this revision, as an `etag` had it."),
    (header::PREHASHED, "`true` where the raw bytes are a digest."),
    (
        header::REQUEST_ID,
        "The caller's word for the call, 1 to 128 visible characters: given back, and in the log as a tag.",
    ),
    (header::SIGNATURE, "The signature to verify, in base64."),
    (header::TAG, "The message authentication code to check, in base64."),
    (header::VERSION, "Number of the version; any one that may unless said."),
];
const IF_MATCH: &str = "if-match";

/// The document, as JSON with line breaks.
pub(super) fn document(title: &str, rows: &[Row]) -> String {
    let (mut paths, examples) =
        (Paths::new(), Examples::of_rows(named(rows).chain([&NamedSchema::of::<Problem>()])));
    for row in rows {
        paths.add_path_operation(template(row.path), vec![http_method(row)], operation(row, &examples));
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title(title)
        .description(Some(
            "Every call is recorded before it is answered: `claviger-entry` and `audit-receipt` say where. Refusals are problems (RFC 9457), and \
             most of them are recorded too.",
        ))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(license))
        .build();
    let document: OpenApi = OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components(rows)))
        .security(Some([
            SecurityRequirement::new("token", NO_SCOPES),
            SecurityRequirement::new("certificate", NO_SCOPES),
        ]))
        .build();
    // A document is maps and strings, which always are JSON.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

const NO_SCOPES: [&str; 0] = [];

/// OpenAPI knows no catch-all: `{*path}` is written `{path}`.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

fn http_method(row: &Row) -> HttpMethod {
    match row.method.as_str() {
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        _ => HttpMethod::Get,
    }
}

fn components(rows: &[Row]) -> Components {
    let mut builder = ComponentsBuilder::new();
    for NamedSchema { name, schema, others } in named(rows).cloned().chain([NamedSchema::of::<Problem>()]) {
        builder = builder.schema(name, schema).schemas_from_iter(others);
    }
    // A query is taken apart into parameters: what those refer to is here too.
    for query in rows.iter().filter_map(|row| row.query.clone()) {
        builder = builder.schemas_from_iter(query.others);
    }
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    builder
        .security_scheme("token", SecurityScheme::Http(token))
        .security_scheme(
            "certificate",
            SecurityScheme::MutualTls { description: None, deprecated: None, extensions: None },
        )
        .build()
}

fn operation(row: &Row, examples: &Examples) -> Operation {
    let mut builder = OperationBuilder::new().operation_id(Some(row.id)).summary(Some(row.summary));
    builder = builder.tag(tag(row.path)).description(description(row));
    let parameters = path_parameters(row).chain(query_parameters(row)).chain(header_parameters(row));
    for parameter in parameters {
        builder = builder.parameter(parameter);
    }
    let status = if row.creates { "201" } else { "200" };
    builder = builder.request_body(request_body(row, examples)).response(status, answer(row, examples));
    if row.open {
        // An empty requirement: nothing is required.
        return builder.securities(Some([SecurityRequirement::default()])).build();
    }
    builder.response("default", refusal(examples)).build()
}

/// What an operation is about: the first word of its path that says so.
fn tag(path: &'static str) -> &'static str {
    match path.trim_start_matches("/v1").split('/').nth(1) {
        Some("audit") => "audit",
        Some("decrypt" | "random") => "keys",
        Some("health" | "openapi.json" | "version") | None => "system",
        Some(word) => word,
    }
}

/// What the summary does not say, and what the row has.
fn description(row: &Row) -> Option<String> {
    let sentences = [
        (row.open, "Needs no credential."),
        (row.creates, "Repeated with the same `idempotency-key`, it answers what the first call made."),
        (row.conditional, "With `if-match` it is done only at that revision."),
        (
            row.takes.octets,
            "With `content-type: application/octet-stream` the body is the input itself, and what else there is to say comes in headers.",
        ),
        (row.gives.octets && row.takes.octets, "The answer is then the result itself."),
        (row.optional_body, "The body may be left out."),
    ];
    let said: Vec<_> =
        sentences.into_iter().filter_map(|(holds, sentence)| holds.then_some(sentence)).collect();
    (!said.is_empty()).then(|| said.join(" "))
}

/// The names in braces of a path.
fn names(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*'))
}

fn text() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()))
}

/// Raw bytes.
fn binary() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()))
}

fn parameter(name: &str, place: ParameterIn, description: &str) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).description(Some(description))
}

fn path_parameters(row: &Row) -> impl Iterator<Item = Parameter> {
    names(row.path).map(|name| {
        let said = IN_PATHS.iter().find(|(known, ..)| *known == name);
        let (_, description, example) = said.copied().unwrap_or((name, "", ""));
        parameter(name, ParameterIn::Path, description)
            .required(Required::True)
            .schema(Some(text()))
            .example(Some(example.into()))
            .build()
    })
}

fn query_parameters(row: &Row) -> Vec<Parameter> {
    let Some(NamedSchema { schema: RefOr::T(Schema::Object(object)), .. }) = &row.query else {
        return Vec::new();
    };
    let of = |(name, schema): (&String, &RefOr<Schema>)| {
        let required = if object.required.contains(name) { Required::True } else { Required::False };
        let builder = parameter(name, ParameterIn::Query, &described_by(schema));
        builder.required(required).schema(Some(schema.clone())).build()
    };
    object.properties.iter().map(of).collect()
}

/// What a schema says of itself, also where it is one or nothing.
fn described_by(schema: &RefOr<Schema>) -> String {
    let schema = serde_json::to_value(schema).unwrap_or_default();
    let said = |schema: &serde_json::Value| schema["description"].as_str().map(str::to_owned);
    let either = |schema: &serde_json::Value| schema["oneOf"].as_array()?.iter().find_map(said);
    said(&schema).or_else(|| either(&schema)).unwrap_or_default()
}

fn header_parameters(row: &Row) -> Vec<Parameter> {
    let mut names: Vec<&str> = row.headers.to_vec();
    if !row.open {
        names.push(header::REQUEST_ID);
    }
    if row.creates {
        names.push(header::IDEMPOTENCY_KEY);
    }
    if row.conditional {
        names.push(IF_MATCH);
    }
    let of = |name: &str| {
        let said = IN_HEADERS.iter().find(|(known, _)| *known == name);
        let builder = parameter(name, ParameterIn::Header, said.map_or("", |(_, said)| said));
        builder.required(Required::False).schema(Some(text())).build()
    };
    names.into_iter().map(of).collect()
}

fn request_body(row: &Row, examples: &Examples) -> Option<RequestBody> {
    let contents = contents(&row.takes, examples);
    if contents.is_empty() {
        return None;
    }
    let required = if row.optional_body { Required::False } else { Required::True };
    let mut builder = RequestBodyBuilder::new().required(Some(required));
    for (kind, content) in contents {
        builder = builder.content(kind, content);
    }
    Some(builder.build())
}

fn answer(row: &Row, examples: &Examples) -> Response {
    let mut builder = ResponseBuilder::new().description(row.summary);
    for (kind, content) in contents(&row.gives, examples) {
        builder = builder.content(kind, content);
    }
    if row.gives.json.is_none() && !row.gives.octets && !row.gives.text {
        builder = builder
            .content(JSON, MediaContent::new(Some(RefOr::T(Schema::Object(ObjectBuilder::new().build())))));
    }
    if !row.open {
        builder = builder
            .header(header::ENTRY, described("Index of the call's first entry in the audit log."))
            .header(
                header::RECEIPT,
                described("Receipt of that entry: `v1;origin;index;leaf;size;root;sig`."),
            );
    }
    builder.build()
}

fn refusal(examples: &Examples) -> Response {
    ResponseBuilder::new()
        .description("A problem (RFC 9457).")
        .content(problem::MEDIA_TYPE, json_of("Problem", examples))
        .header(header::ENTRY, described("Index of the refusal in the audit log, where it is one."))
        .build()
}

fn described(text: &str) -> Header {
    let mut header = Header::default();
    header.description = Some(text.to_owned());
    header
}

fn json_of(name: &str, examples: &Examples) -> MediaContent {
    let schema = RefOr::Ref(Ref::from_schema_name(name));
    ContentBuilder::new().schema(Some(schema)).example(examples.find(name)).build()
}

fn contents(content: &Content, examples: &Examples) -> Vec<(&'static str, MediaContent)> {
    let mut contents = Vec::new();
    if let Some(named) = &content.json {
        contents.push((JSON, json_of(&named.name, examples)));
    }
    if content.octets {
        contents.push((OCTETS, MediaContent::new(Some(binary()))));
    }
    if content.text {
        contents.push((TEXT, MediaContent::new(Some(text()))));
    }
    contents
}
