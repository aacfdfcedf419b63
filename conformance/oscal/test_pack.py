"""What readers of OSCAL and CycloneDX make of a pack, and whether its documents say the same as its results."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import trestle.core.validator_factory as validators
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from trestle.oscal.assessment_plan import AssessmentPlan
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog
from trestle.oscal.component import ComponentDefinition
from trestle.oscal.poam import PlanOfActionAndMilestones
from trestle.oscal.profile import Profile

PACK = Path(os.environ["CONFORMANCE_PACK"])
OSCAL = PACK / "oscal"
MODELS = {
    "catalog": Catalog,
    "profile": Profile,
    "component-definition": ComponentDefinition,
    "assessment-plan": AssessmentPlan,
    "assessment-results": AssessmentResults,
    "poam": PlanOfActionAndMilestones,
}
STATES = {
    "PASS": ("satisfied", "pass"),
    "FAIL": ("not-satisfied", "fail"),
    "NEEDS_ATTESTATION": ("not-satisfied", "needs-attestation"),
    "INDETERMINATE": ("not-satisfied", "indeterminate"),
}


def load(name: str) -> dict:
    """The model in a document, as plain JSON."""
    (model,) = json.loads((OSCAL / f"{name}.json").read_bytes()).values()
    return model


def members(document, names: set):
    """All values that are members of these names, wherever they lie."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in names:
                yield value
            yield from members(value, names)
    if isinstance(document, list):
        for part in document:
            yield from members(part, names)


def own(thing: dict) -> dict:
    """The properties of the project's own namespace that occur once."""
    return {prop["name"]: prop["value"] for prop in thing["props"] if "ns" in prop}


def by_result(things: list) -> dict:
    """Observations or findings by control and mode."""
    return {(thing["title"].split(",")[0], own(thing)["mode"]): thing for thing in things}


def test_the_pack_has_these_documents_and_no_other():
    assert {path.name for path in OSCAL.iterdir()} == {f"{name}.json" for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_a_document_is_read(name):
    model = MODELS[name].oscal_read(OSCAL / f"{name}.json")
    assert model is not None
    for validator in validators.validator_factory.get_all():
        assert validator.model_is_valid(model, True), validator.error_msg()
    assert load(name)["metadata"]["oscal-version"] == "1.2.1"


@pytest.mark.parametrize("name", MODELS)
def test_what_a_document_refers_to_lies_in_the_pack(name):
    document = load(name)
    resources = document.get("back-matter", {}).get("resources", [])
    known = {"#" + resource["uuid"] for resource in resources}
    assert {href for href in members(document, {"href"}) if href.startswith("#")} == known
    files = [href for href in members(document, {"href", "source"}) if not href.startswith("#")]
    for href in files:
        assert (OSCAL / href).resolve().is_relative_to(PACK.resolve()) and (OSCAL / href).is_file(), href
    for rlink in (rlink for resource in resources for rlink in resource.get("rlinks", [])):
        for stated in rlink.get("hashes", []):
            assert stated["algorithm"] == "SHA-256"
            assert hashlib.sha256((OSCAL / rlink["href"]).read_bytes()).hexdigest() == stated["value"]


def test_each_control_that_is_named_is_in_the_catalogue():
    catalogue = load("catalog")
    ids = set(members(catalogue, {"id"}))
    for name in MODELS:
        named = set(members(load(name), {"control-id", "objective-id", "target-id", "param-id"}))
        assert named <= ids, name


def test_the_results_say_what_the_pack_says():
    results = json.loads((PACK / "results" / "results.json").read_bytes())["results"]
    (assessed,) = load("assessment-results")["results"]
    observations, findings = by_result(assessed["observations"]), by_result(assessed["findings"])
    risks = by_result(assessed.get("risks", []))
    open_ones = by_result(load("poam")["poam-items"])
    expected = {(one["control"], one["mode"]): one for one in results}
    assert set(observations) == set(expected)
    for key, one in expected.items():
        verdict = one["result"]
        seen = own(observations[key])
        assert (seen["result"], seen["severity"]) == (verdict, one["severity"]), key
        assert seen["population"] == str(one["population"]["subjects"]), key
        assert (key in findings) == (verdict in STATES), key
        if verdict in STATES:
            status = findings[key]["target"]["status"]
            assert (status["state"], status["reason"]) == STATES[verdict], key
        assert (key in risks) == (verdict == "FAIL"), key
        assert (key in open_ones) == (verdict not in ("PASS", "NOT_APPLICABLE")), key


def test_the_bill_of_materials_is_read():
    text = (PACK / "cbom" / "cbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = Bom.from_json(json.loads(text))
    assert any(component.crypto_properties for component in bom.components)
