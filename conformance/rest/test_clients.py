"""What a program does with clients that were generated: people on the control plane, an application on the data plane."""

import base64
import hashlib
import io
import json
import os
import ssl
import subprocess
import time
import tomllib
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import claviger_control
import claviger_control.models as control
import claviger_data
import claviger_data.models as data
import pytest
from claviger_control.api.approvals import approve, execute_approval, list_approvals, read_approval
from claviger_control.api.audit import prove, read_checkpoint, search_audit
from claviger_control.api.grants import create_grant, revoke_grant
from claviger_control.api.keys import (
    create_key,
    explain_key,
    list_keys,
    read_key,
    schedule_destroy,
    suspend_key,
    update_key,
)
from claviger_control.api.rings import create_ring
from claviger_control.api.system import read_system
from claviger_data.api.keys import (
    decrypt,
    decrypt_batch,
    encrypt,
    encrypt_batch,
    generate_data_key,
    random,
    sign,
    verify,
)
from claviger_data.types import File

# The operation in entries of the log.
ENCRYPT = 101
READY = json.loads(Path(os.environ["CONFORMANCE_READY"]).read_text())
# As many as must approve, of the three that there are.
CUSTODIANS = ["custodian-1", "custodian-2"]


def client(module, plane: str, role: str):
    """A client with the certificate of one who has this role."""
    profile = Path(READY["profiles"][role])
    credential = tomllib.loads(profile.read_text())["credential"]
    context = ssl.create_default_context(cafile=READY["ca"])
    context.load_cert_chain(profile.parent / credential["certificate"], profile.parent / credential["key"])
    return module.Client(base_url=READY["urls"][plane], verify_ssl=context, raise_on_unexpected_status=True)


@pytest.fixture(scope="module")
def people():
    roles = ["administrator", "security_officer", "responder", "auditor", *CUSTODIANS]
    with ExitStack() as stack:
        yield {role: stack.enter_context(client(claviger_control, "control", role)) for role in roles}


@pytest.fixture(scope="module")
def app():
    with client(claviger_data, "data", "app") as one:
        yield one


@pytest.fixture(scope="module")
def ring(people):
    """A ring with a key for encryption and one for signatures, and an application that may use both."""
    name = f"r{uuid.uuid4().hex[:12]}"
    made = create_ring.sync(client=people["administrator"], body=control.CreateRing(name=name))
    assert isinstance(made, control.Ring) and made.name == name
    for key, purpose, spec in [
        ("main", control.Purpose.ENCRYPT, control.Spec.AES_256_GCM),
        ("seal", control.Purpose.SIGN, control.Spec.EC_P256),
    ]:
        body = control.CreateKey(name=key, ring=name, purpose=purpose, spec=spec)
        assert isinstance(create_key.sync(client=people["administrator"], body=body), control.Key)
    actions = ["encrypt", "decrypt", "generate_data_key", "sign", "verify"]
    grant = control.CreateGrant(
        principal="app",
        on=control.GrantOnType1(ring=name),
        operations=[control.Action(action) for action in actions],
        reason="conformance",
    )
    assert isinstance(create_grant.sync(client=people["security_officer"], body=grant), control.Grant)
    return name


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def context(**pairs: str) -> data.Pairs:
    return data.Pairs.from_dict(pairs)


def test_encrypted_data_opens_under_its_context_alone(app, ring):
    body = data.Encrypt(plaintext=text("4111-1111"), context=context(order="17"))
    answer = encrypt.sync_detailed(f"{ring}/main", client=app, body=body, x_request_id="first")
    assert answer.status_code == HTTPStatus.OK and answer.headers["x-request-id"] == "first"
    assert answer.headers["audit-receipt"].startswith("v1;") and int(answer.headers["claviger-entry"]) > 0
    sealed = answer.parsed
    opened = decrypt.sync(
        f"{ring}/main", client=app, body=data.Decrypt(ciphertext=sealed.ciphertext, context=context(order="17"))
    )
    assert isinstance(opened, data.Opened) and base64.b64decode(opened.plaintext) == b"4111-1111"
    wrong = decrypt.sync_detailed(
        f"{ring}/main", client=app, body=data.Decrypt(ciphertext=sealed.ciphertext, context=context(order="18"))
    )
    assert wrong.status_code == HTTPStatus.BAD_REQUEST
    assert isinstance(wrong.parsed, data.Problem) and wrong.parsed.code == "bad-ciphertext" and wrong.parsed.entry > 0


def test_each_item_of_a_batch_has_its_own_answer(app, ring):
    items = [data.Encrypt(plaintext=text(value)) for value in ("1", "2")]
    sealed = encrypt_batch.sync(f"{ring}/main", client=app, body=data.EncryptBatch(items=items))
    assert all(isinstance(item, data.SealedBatchItemType0) for item in sealed.items)
    ciphertexts = [item.ok.ciphertext for item in sealed.items] + [text("no ciphertext")]
    body = data.DecryptBatch(items=[data.Decrypt(ciphertext=one) for one in ciphertexts])
    opened = decrypt_batch.sync(f"{ring}/main", client=app, body=body).items
    assert [base64.b64decode(item.ok.plaintext) for item in opened[:2]] == [b"1", b"2"]
    assert isinstance(opened[2], data.OpenedBatchItemType1) and opened[2].error.code == "bad-ciphertext"


def test_data_keys_come_in_clear_and_sealed(app, ring):
    made = generate_data_key.sync(f"{ring}/main", client=app, body=data.GenerateDataKey(bytes_=32))
    assert len(base64.b64decode(made.plaintext)) == 32
    opened = decrypt.sync(f"{ring}/main", client=app, body=data.Decrypt(ciphertext=made.ciphertext))
    assert opened.plaintext == made.plaintext


def test_signatures_verify_in_json_and_as_bytes(app, ring):
    signed = sign.sync(f"{ring}/seal", client=app, body=data.Sign(message=text("a document")))
    assert isinstance(signed, data.Signed)
    body = data.Verify(message=text("a document"), signature=signed.signature)
    assert verify.sync(f"{ring}/seal", client=app, body=body).valid
    for document, valid in [(b"a document", True), (b"another", False)]:
        found = verify.sync(
            f"{ring}/seal", client=app, body=File(io.BytesIO(document)), claviger_signature=signed.signature
        )
        assert found.valid is valid


def test_random_bytes(app):
    assert len(base64.b64decode(random.sync(client=app, body=data.Random(bytes_=48)).bytes_)) == 48


def test_a_creating_call_is_repeated_without_creating_twice(people, ring):
    body = control.CreateKey(
        name="again", ring=ring, purpose=control.Purpose.ENCRYPT, spec=control.Spec.AES_256_GCM
    )
    word = uuid.uuid4().hex
    first = create_key.sync(client=people["administrator"], body=body, idempotency_key=word)
    again = create_key.sync_detailed(client=people["administrator"], body=body, idempotency_key=word)
    assert again.status_code == HTTPStatus.CREATED and again.parsed.id == first.id
    taken = create_key.sync_detailed(client=people["administrator"], body=body)
    assert taken.status_code == HTTPStatus.CONFLICT and taken.parsed.code == "already-exists"


def test_pages_lead_through_a_list(people, ring):
    names, cursor = [], claviger_control.types.UNSET
    while True:
        page = list_keys.sync(client=people["administrator"], ring=ring, limit=1, cursor=cursor)
        names += [key.name for key in page.items]
        if page.next_ is None:
            break
        cursor = page.next_
    assert f"{ring}/main" in names and f"{ring}/seal" in names and names == sorted(names)


def test_a_change_goes_by_the_revision_that_was_read(people, ring):
    administrator = people["administrator"]
    read = read_key.sync_detailed(f"{ring}/main", client=administrator)
    body = control.UpdateKey(description="card numbers")
    changed = update_key.sync(f"{ring}/main", client=administrator, body=body, if_match=read.headers["etag"])
    assert changed.description == "card numbers" and changed.revision == read.parsed.revision + 1
    late = update_key.sync_detailed(f"{ring}/main", client=administrator, body=body, if_match=read.headers["etag"])
    assert late.status_code == HTTPStatus.PRECONDITION_FAILED and late.parsed.code == "precondition-failed"


def test_what_was_done_is_found_explained_and_proved(people, app, ring):
    key = read_key.sync(f"{ring}/main", client=people["auditor"])
    found = search_audit.sync(client=people["auditor"], key=key.id, operation=ENCRYPT)
    assert isinstance(found, control.SearchPage), found
    assert found.items and all(item.who.name == "app" for item in found.items)
    rights = explain_key.sync(f"{ring}/main", client=people["auditor"])
    assert any(item.principal_name == "app" and item.action == control.Action.ENCRYPT for item in rights.items)
    checkpoint = read_checkpoint.sync(client=people["auditor"])
    assert checkpoint.root_vkey
    # The next cut covers it, within a second as a rule.
    proof, until = None, time.monotonic() + 30
    while not isinstance(proof, control.Proof) and time.monotonic() < until:
        time.sleep(0.2)
        proof = prove.sync(1, found.items[0].index, client=people["auditor"])
    assert isinstance(proof, control.Proof) and proof.root_note
    assert isinstance(read_system.sync(client=people["auditor"]), control.SystemStatus)


def test_a_suspended_key_and_a_revoked_grant_refuse(people, app, ring):
    body = control.ChangeState(reason_code=control.ReasonCode.COMPROMISE_SUSPECTED)
    assert suspend_key.sync(f"{ring}/main", client=people["responder"], body=body).state == control.State.SUSPENDED
    refused = encrypt.sync_detailed(f"{ring}/main", client=app, body=data.Encrypt(plaintext=text("4111")))
    assert refused.status_code == HTTPStatus.CONFLICT and refused.parsed.code == "wrong-state"
    grant = control.CreateGrant(
        principal="app",
        on=control.GrantOnType1(ring=ring),
        operations=[control.Action.MAC],
        reason="conformance",
    )
    made = create_grant.sync(client=people["security_officer"], body=grant)
    why = control.GiveReason(reason="conformance")
    ended = revoke_grant.sync(made.id, client=people["security_officer"], body=why)
    assert ended.ended is not None


def decision(role: str, digest: str) -> control.DecideApproval:
    """An approval of what has that digest, signed as documented: by the key of a certificate, with OpenSSL."""
    profile = Path(READY["profiles"][role])
    credential = tomllib.loads(profile.read_text())["credential"]
    certificate, key = (profile.parent / credential[name] for name in ("certificate", "key"))
    micros = time.time_ns() // 1000
    message = b"claviger/decision/v1\0" + bytes.fromhex(digest) + b"\x01" + micros.to_bytes(8, "big")
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key], input=message, capture_output=True, check=True
    ).stdout
    return control.DecideApproval(
        digest=digest,
        certificate=base64.b64encode(ssl.PEM_cert_to_DER_cert(certificate.read_text())).decode(),
        method=control.SigningMethod("ecdsa-p256-sha256"),
        signature=base64.b64encode(signature).decode(),
        signed_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros),
    )


def test_what_takes_others_is_asked_for_signed_by_two_and_done_once(people, ring):
    administrator, key = people["administrator"], f"{ring}/seal"
    wish = control.ScheduleDestroy(reason="conformance")
    refused = schedule_destroy.sync_detailed(key, client=administrator, body=wish)
    assert refused.status_code == HTTPStatus.FORBIDDEN and refused.parsed.code == "approval-required"
    asked = refused.parsed.approval
    open_ones = list_approvals.sync(client=people[CUSTODIANS[0]], state=control.WhichApprovals.OPEN)
    assert asked in [one.id for one in open_ones.items]
    for role in CUSTODIANS:
        early = execute_approval.sync_detailed(asked, client=administrator)
        assert early.status_code == HTTPStatus.FORBIDDEN and early.parsed.approval == asked
        read = read_approval.sync(asked, client=people[role])
        # What is signed is what the form comes to, and not what the server says that it comes to.
        form = base64.b64decode(read.form)
        digest = hashlib.sha256(b"claviger/approval/v1\0" + form).hexdigest()
        assert digest == read.digest
        decided = approve.sync(asked, client=people[role], body=decision(role, digest))
        assert isinstance(decided, control.Approval), decided
    assert decided.state == control.ApprovalState.READY and decided.approved == len(CUSTODIANS)
    executed = execute_approval.sync(asked, client=administrator)
    assert isinstance(executed, control.ExecutedApproval) and executed.approval == asked
    assert read_key.sync(key, client=administrator).state == control.State.SUSPENDED
    again = execute_approval.sync_detailed(asked, client=administrator)
    assert again.status_code != HTTPStatus.OK
