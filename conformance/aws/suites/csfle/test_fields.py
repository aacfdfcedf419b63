"""MongoDB client-side encryption of fields: data keys under a key of the deployment, values under data keys.

There is no MongoDB here. Encryption is explicit, by pymongocrypt's own encrypter over a callback that keeps the key
vault in memory and does what a driver does: it carries libmongocrypt's requests to the endpoint, byte by byte.
"""

import socket
import ssl
from urllib.parse import urlsplit

import bson
import pytest
from bson.binary import Binary
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.mongocrypt import MongoCryptOptions
from pymongocrypt.synchronous.explicit_encrypter import ExplicitEncrypter
from pymongocrypt.synchronous.state_machine import MongoCryptCallback

DETERMINISTIC = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
RANDOM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"


class Driver(MongoCryptCallback):
    """What a driver does for libmongocrypt."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.vault = {}
        self.asked = 0

    def kms_request(self, kms_context):
        """Carries one request to the endpoint that libmongocrypt names."""
        self.asked += 1
        host, _, port = kms_context.endpoint.partition(":")
        with socket.create_connection((host, int(port or 443)), timeout=20) as plain:
            with self._secured(plain, host) as connection:
                connection.sendall(kms_context.message)
                while kms_context.bytes_needed > 0:
                    data = connection.recv(min(kms_context.bytes_needed, 4096))
                    if not data:
                        raise OSError("the connection ended within the answer")
                    kms_context.feed(data)

    def _secured(self, plain, host):
        context = ssl.create_default_context(cafile=self.deployment.ca)
        return context.wrap_socket(plain, server_hostname=host)

    def insert_data_key(self, data_key):
        """Puts a data key into the vault."""
        document = bson.decode(data_key)
        self.vault[bytes(document["_id"])] = data_key
        return Binary(document["_id"], subtype=4)

    def fetch_keys(self, filter):
        """Gives the data keys that libmongocrypt asks for."""
        wanted = {bytes(one) for one in bson.decode(filter)["$or"][0]["_id"]["$in"]}
        return [document for one, document in self.vault.items() if one in wanted]

    def bson_encode(self, document):
        """A document as BSON."""
        return bson.encode(document)

    def close(self):
        """Nothing is open."""

    def collection_info(self, database, filter):
        """There are no collections."""
        raise NotImplementedError

    def mark_command(self, database, command):
        """There is no query analysis."""
        raise NotImplementedError

    def get_kms_providers(self):
        """None on demand."""
        raise NotImplementedError


@pytest.fixture
def driver(deployment):
    """A driver with an empty vault."""
    if not deployment.endpoint.startswith("https://"):
        pytest.skip("libmongocrypt speaks TLS only")
    return Driver(deployment)


@pytest.fixture
def explicit(deployment, driver):
    """Makes explicit encrypters that share the vault: each is a process that begins anew."""
    made = []

    def make(key=None):
        key = key or deployment.key
        aws = {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}
        if key.session_token:
            aws["sessionToken"] = key.session_token
        options = MongoCryptOptions({"aws": aws})
        made.append(ExplicitEncrypter(driver, options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def key_arn(deployment):
    """ARN of a key, made through the signer of our own: there is no boto3 here."""
    from harness.raw import Caller

    return Caller(deployment).call("CreateKey", {}).document["KeyMetadata"]["Arn"]


def master(deployment, arn):
    """The master key as an application names it. The host must have a dot."""
    return {"region": deployment.region, "key": arn, "endpoint": urlsplit(deployment.endpoint).netloc}


def data_key(explicit, deployment, arn, **more):
    """A new data key's id."""
    return explicit.create_data_key("aws", master_key=master(deployment, arn), **more)


def sealed(explicit, value, key, algorithm=RANDOM):
    """A value as it would lie in the database."""
    return bson.decode(explicit.encrypt(bson.encode({"v": value}), algorithm, key_id=bytes(key)))["v"]


def opened(explicit, value):
    """The value again."""
    return bson.decode(explicit.decrypt(bson.encode({"v": value})))["v"]


@pytest.mark.parametrize("algorithm", [DETERMINISTIC, RANDOM])
@pytest.mark.parametrize("value", ["123-45-6789", 17, b"bytes", ["a", 1]], ids=str)
def test_value_comes_back(explicit, deployment, key_arn, algorithm, value):
    if algorithm == DETERMINISTIC and isinstance(value, list):
        pytest.skip("arrays are not sealed deterministically")
    here = explicit()
    one = sealed(here, value, data_key(here, deployment, key_arn), algorithm)
    assert one.subtype == 6
    assert opened(here, one) == value


def test_another_process_opens_with_the_vault_and_the_endpoint(explicit, deployment, driver, key_arn):
    here = explicit()
    one = sealed(here, "123-45-6789", data_key(here, deployment, key_arn))
    before = driver.asked
    assert opened(explicit(), one) == "123-45-6789"
    assert driver.asked == before + 1


def test_deterministic_values_are_equal_and_random_ones_are_not(explicit, deployment, key_arn):
    here = explicit()
    key = data_key(here, deployment, key_arn)
    assert sealed(here, "x", key, DETERMINISTIC) == sealed(here, "x", key, DETERMINISTIC)
    assert sealed(here, "x", key) != sealed(here, "x", key)


def test_vault_names_the_key_by_its_arn(explicit, deployment, driver, key_arn):
    key = data_key(explicit(), deployment, key_arn)
    document = bson.decode(driver.vault[bytes(key)])
    assert document["masterKey"]["key"] == key_arn and document["masterKey"]["provider"] == "aws"
    assert len(document["keyMaterial"]) > 96
    assert key.subtype == 4


def test_disabled_key_gives_no_data_key_and_opens_none(explicit, deployment, driver):
    from harness.raw import Caller

    raw = Caller(deployment)
    arn = raw.call("CreateKey", {}).document["KeyMetadata"]["Arn"]
    here = explicit()
    one = sealed(here, "x", data_key(here, deployment, arn))
    assert raw.call("DisableKey", {"KeyId": arn}).status == 200
    with pytest.raises(MongoCryptError, match="DisabledException|disabled"):
        data_key(explicit(), deployment, arn)
    with pytest.raises(MongoCryptError, match="DisabledException|disabled"):
        opened(explicit(), one)
    assert raw.call("EnableKey", {"KeyId": arn}).status == 200
    assert opened(explicit(), one) == "x"


@pytest.mark.claviger
def test_application_without_a_grant_opens_nothing(explicit, deployment, key_arn, unique):
    here = explicit()
    one = sealed(here, "x", data_key(here, deployment, key_arn))
    stranger = deployment.workload(unique("csfle"))
    with pytest.raises(MongoCryptError, match="AccessDenied"):
        opened(explicit(stranger), one)
