//! Live answers against the OpenAPI documents, and the documents against themselves.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use claviger_core::action::Surface;
use claviger_rest::{control_routes, data_routes, route};
use http::Method;
use serde_json::{Value, json};

use crate::deployment::{Answer, As, Deployment, request};

fn document(surface: Surface) -> &'static Value {
    static CONTROL: OnceLock<Value> = OnceLock::new();
    static DATA: OnceLock<Value> = OnceLock::new();
    let cell = match surface {
        Surface::Control => &CONTROL,
        Surface::Data => &DATA,
    };
    cell.get_or_init(|| serde_json::from_str(&route::openapi(surface)).unwrap())
}

/// Asserts that the document foresees this answer.
#[track_caller]
pub(crate) fn hold_against_document(surface: Surface, method: &Method, path: &str, answer: &Answer) {
    let document = document(surface);
    let Some(template) = template_of(document, path) else {
        assert_eq!(answer.json()["code"], "unknown-route", "{path} is not in the document");
        return;
    };
    let operation = &document["paths"][template][method.as_str().to_lowercase()];
    if operation.is_null() {
        // axum answers HEAD wherever there is a GET.
        assert!(answer.status.as_u16() == 405 || method == Method::HEAD, "{method} {path}: {answer:?}");
        return;
    }
    let status = answer.status.as_str().to_owned();
    let response = match &operation["responses"][&status] {
        Value::Null => &operation["responses"]["default"],
        response => response,
    };
    let kind = answer.header("content-type").unwrap_or_default().split(';').next().unwrap().to_owned();
    let content = &response["content"][&kind];
    assert!(!content.is_null(), "{method} {path}: {status} {kind} is not in the document: {response}");
    if kind.ends_with("json") {
        let value = answer.json();
        let wrong = violations(document, &content["schema"], &value);
        assert!(wrong.is_empty(), "{method} {path}: {wrong:?} in {value}");
    }
}

fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document["components"],
    });
    root["allOf"] = json!([schema]);
    let validator = jsonschema::validator_for(&root).unwrap();
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

fn template_of<'a>(document: &'a Value, path: &str) -> Option<&'a str> {
    let templates = document["paths"].as_object().unwrap().keys();
    // A path said in full goes before one with something that varies.
    let mut found: Vec<_> = templates.filter(|template| matches(template, path)).collect();
    found.sort_by_key(|template| template.contains('{'));
    found.first().map(|template| template.as_str())
}

fn matches(template: &str, path: &str) -> bool {
    if template == "/audit/{path}" {
        return path.starts_with("/audit/");
    }
    let (wanted, found): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    wanted.len() == found.len()
        && wanted.iter().zip(&found).all(|(wanted, found)| wanted == found || wanted.starts_with('{'))
}

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    for (surface, routes) in [(Surface::Control, control_routes()), (Surface::Data, data_routes())] {
        let reported: BTreeSet<_> = routes
            .iter()
            .map(|route| (route.path.replace("{*", "{"), route.method.as_str().to_lowercase()))
            .collect();
        let mut written = BTreeSet::new();
        for (path, item) in document(surface)["paths"].as_object().unwrap() {
            written.extend(item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())));
        }
        assert_eq!(reported, written);
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_one_operation() {
    for surface in [Surface::Control, Surface::Data] {
        let document = document(surface);
        assert_eq!(document["openapi"], "3.1.0");
        let mut references = Vec::new();
        collect(document, &mut references);
        assert!(references.len() > 50);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        let items = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values());
        let ids: Vec<_> = items.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

fn operations(
    document: &'static Value,
) -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[test]
fn everything_is_described_and_every_body_has_an_example_that_is_one() {
    for surface in [Surface::Control, Surface::Data] {
        let document = document(surface);
        let said = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        for (path, method, operation) in operations(document) {
            assert!(said(&operation["summary"]) && said(&operation["tags"][0]), "{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(said(&parameter["description"]), "{method} {path}: {parameter}");
            }
            let answers = operation["responses"].as_object().unwrap().values();
            for content in
                answers.chain([&operation["requestBody"]]).filter_map(|body| body["content"].as_object())
            {
                for (kind, content) in content {
                    assert!(content["schema"].is_object(), "{method} {path}: {kind}");
                    if path != "/openapi.json" && kind.ends_with("json") {
                        let wrong = violations(document, &content["schema"], &content["example"]);
                        assert!(wrong.is_empty(), "{method} {path}: {wrong:?} in {content}");
                    }
                }
            }
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let is_item = name.ends_with("BatchItem");
            assert!(is_item || said(&schema["description"]), "{name}: {schema}");
        }
    }
}

/// The path with the examples of what it has in braces.
fn filled(path: &str, operation: &Value) -> String {
    let in_path = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path");
    in_path.fold(path.to_owned(), |path, one| {
        path.replace(&format!("{{{}}}", one["name"].as_str().unwrap()), one["example"].as_str().unwrap())
    })
}

#[tokio::test]
async fn examples_of_requests_are_understood() {
    let deployment = Deployment::build().await;
    let mut sent = 0;
    for (surface, who) in [(Surface::Data, "app"), (Surface::Control, "odile")] {
        for (path, method, operation) in operations(document(surface)) {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_null() {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let asked = request(method, &filled(path, operation), &content["example"]);
            let answer = deployment.send(surface, As::Name(who), asked).await;
            let code = if answer.status.is_success() { Value::Null } else { answer.json()["code"].clone() };
            let not_understood =
                ["malformed-request", "unknown-route", "unsupported-media-type", "unauthenticated"];
            assert!(!not_understood.iter().any(|one| code == *one), "{path}: {answer:?}");
            sent += 1;
        }
    }
    assert!(sent > 50, "{sent}");
}

#[test]
fn the_check_finds_what_differs() {
    let document = document(Surface::Control);
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let good = json!({"type": "t", "title": "t", "status": 400, "code": "c"});
    assert_eq!(violations(document, &schema, &good), Vec::<String>::new());
    assert!(
        !violations(document, &schema, &json!({"type": "t", "title": "t", "status": "400", "code": "c"}))
            .is_empty()
    );
    assert!(!violations(document, &schema, &json!({"type": "t", "title": "t", "status": 400})).is_empty());
}

#[tokio::test]
async fn the_document_is_for_known_callers() {
    let deployment = Deployment::build().await;
    let ask = || request(Method::GET, "/openapi.json", &Value::Null);
    let answer = deployment.send(Surface::Data, As::Name("app"), ask()).await.ok();
    assert_eq!(&answer.json(), document(Surface::Data));
    let answer = deployment.send(Surface::Control, As::Name("odile"), ask()).await.ok();
    assert_eq!(&answer.json(), document(Surface::Control));
    deployment.send(Surface::Data, As::Nobody, ask()).await.problem(401, "unauthenticated");
}
