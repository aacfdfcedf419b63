//! Writes the OpenAPI 3.1 document of a plane from its rows.

use claviger_client::types::{Problem, header, problem};
use utoipa::openapi::content::Content as MediaContent;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr,
    Required,
};

use super::row::{Content, Named, Row};

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain";

/// The document, as JSON with line breaks.
pub(super) fn document(title: &str, rows: &[Row]) -> String {
    let mut paths = Paths::new();
    for row in rows {
        paths.add_path_operation(template(row.path), vec![http_method(row)], operation(row));
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info =
        InfoBuilder::new().title(title).version(env!("CARGO_PKG_VERSION")).license(Some(license)).build();
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
    let named = rows.iter().flat_map(|row| [&row.takes.json, &row.gives.json].into_iter().flatten().cloned());
    for Named { name, schema, others } in named.chain([Named::of::<Problem>()]) {
        builder = builder.schema(name, schema).schemas_from_iter(others);
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

fn operation(row: &Row) -> Operation {
    let mut builder = OperationBuilder::new().operation_id(Some(row.id)).summary(Some(row.summary));
    for name in names(row.path) {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        builder = builder.parameter(parameter(name, ParameterIn::Path, true, Schema::Object(text).into()));
    }
    for parameter in query_parameters(row).into_iter().chain(header_parameters(row)) {
        builder = builder.parameter(parameter);
    }
    let status = if row.creates { "201" } else { "200" };
    builder = builder.request_body(request_body(row)).response(status, answer(row));
    if row.open {
        // An empty requirement: nothing is required.
        return builder.securities(Some([SecurityRequirement::default()])).build();
    }
    builder.response("default", refusal()).build()
}

/// The names in braces of a path.
fn names(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*'))
}

fn parameter(name: &str, place: ParameterIn, required: bool, schema: RefOr<Schema>) -> Parameter {
    let required = if required { Required::True } else { Required::False };
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(schema)).build()
}

fn query_parameters(row: &Row) -> Vec<Parameter> {
    let Some(Named { schema: RefOr::T(Schema::Object(object)), .. }) = &row.query else { return Vec::new() };
    let of = |(name, schema): (&String, &RefOr<Schema>)| {
        parameter(name, ParameterIn::Query, object.required.contains(name), schema.clone())
    };
    object.properties.iter().map(of).collect()
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
        names.push("if-match");
    }
    let text = || RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()));
    names.into_iter().map(|name| parameter(name, ParameterIn::Header, false, text())).collect()
}

fn request_body(row: &Row) -> Option<RequestBody> {
    let contents = contents(&row.takes);
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

fn answer(row: &Row) -> Response {
    let mut builder = ResponseBuilder::new().description(row.summary);
    for (kind, content) in contents(&row.gives) {
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

fn refusal() -> Response {
    let content = MediaContent::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    let told = described("Index of the refusal in the audit log, where it is one.");
    ResponseBuilder::new()
        .description("A problem (RFC 9457).")
        .content(problem::MEDIA_TYPE, content)
        .header(header::ENTRY, told)
        .build()
}

fn described(text: &str) -> Header {
    let mut header = Header::default();
    header.description = Some(text.to_owned());
    header
}

fn contents(content: &Content) -> Vec<(&'static str, MediaContent)> {
    let mut contents = Vec::new();
    if let Some(named) = &content.json {
        let schema = RefOr::Ref(Ref::from_schema_name(named.name.clone()));
        contents.push((JSON, MediaContent::new(Some(schema))));
    }
    if content.octets {
        contents.push((OCTETS, MediaContent::default()));
    }
    if content.text {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        contents.push((TEXT, MediaContent::new(Some(RefOr::T(Schema::Object(text))))));
    }
    contents
}
