"""What another CI built becomes a build here: when the job may, of the very commit, once, told honestly."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from attesting import FORGES, Ci, digest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from house import DANA
from issuers import AUDIENCE, forged, github, rsa_key, sign

from clearway import access, artifacts, ledger, policy, releases
from clearway.build import claimed_for
from clearway.integrations.cel import CelEvaluator
from clearway.releases.calendar import ALWAYS
from clearway.releases.facts import Ran, gather

ROOT = Path(__file__).parents[4]
JUNIT = b'<testsuite><testcase classname="a" name="one"/><testcase name="two"/></testsuite>'
FAILED = b'<testsuite><testcase name="one"><failure message="no"/></testcase></testsuite>'
SARIF = json.dumps(
    {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scan"}}, "results": []}]}
).encode()
BOM = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}).encode()


FIELD = b'--b\r\nContent-Disposition: form-data; name="artifact"\r\n\r\nx\r\n--b--\r\n'


def evidence(ci: Ci, digest_: str) -> dict[str, Any]:
    with ci.house.database.read() as uow:
        return {each.predicate_type: each.predicate for each in artifacts.verify_stored(uow, digest_)}


def test_a_job_that_may_vouches_for_what_it_built(ci: Ci) -> None:
    """Bytes, commit, version, who and where: a build, and an entry in the ledger; nothing else is left."""
    answer = ci.send(ci.token(), {"shop.tar": b"bytes", "notes.txt": b"more"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    head = ci.house.made.git("rev-parse", "HEAD")
    assert made["status"] == "succeeded"
    assert (made["commit"], made["version"]) == (head, f"0.0.0+g{head[:8]}")
    assert [each["type"] for each in made["artifacts"]] == ["bundle", "file"]
    assert made["external"][
        "run_url"
    ] == "https://github.com/acme/shop/actions/runs/1234567/attempts/2".replace(
        "https://github.com", ci.issuer.url
    )
    assert made["external"]["level"] == 1
    assert made["requested_by"] == "ci/hub"
    with ci.house.database.read() as uow:
        entry = [each for each in ledger.entries(uow).items if each.action == "build.attested"]
    assert (entry[0].actor, entry[0].actor_kind, entry[0].data["repository"]) == (
        "ci/hub",
        "robot",
        "acme/shop",
    )
    folder = ci.house.folder / "builds" / made["id"]
    assert [each.name for each in folder.iterdir()] == ["log.txt"]


def test_the_provenance_says_who_built_and_what_was_not_seen(ci: Ci) -> None:
    """The builder is the CI; verified and unverified are told apart; the level is 1."""
    made = ci.send(ci.token()).json()
    said = evidence(ci, made["artifacts"][0]["digest"])[artifacts.PROVENANCE]
    inside = said["buildDefinition"]["internalParameters"]
    assert said["runDetails"]["builder"]["id"].endswith(
        "acme/shop/.github/workflows/release.yml@refs/heads/main"
    )
    assert said["buildDefinition"]["buildType"] == "https://clearway.dev/build/external/v1"
    assert inside["level"] == "SLSA Build L1"
    assert any("built from this commit" in each for each in inside["notVerified"])
    assert any(made["commit"] in each for each in inside["verified"])
    assert said["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": made["commit"]}
    assert claimed_for(said) == made["id"]


@pytest.mark.parametrize("forge", ["hub", "lab", "azure"])
def test_each_forge_is_heard(ci: Ci, forge: str) -> None:
    """Tokens in the documented form of each are let in."""
    path = "" if forge == "hub" else f"/{forge}"
    issuer = ci.issuer.url + path
    ci.issuer.discovery = {"issuer": issuer}
    head = ci.house.made.git("rev-parse", "HEAD")
    answer = ci.send(sign(FORGES[forge](issuer, head)))
    assert answer.status_code == 201, answer.text
    assert answer.json()["external"]["ci"] == forge


@pytest.mark.parametrize(
    ("more", "status", "why"),
    [
        ({"iss": "https://evil.example"}, 401, "not trusted here"),
        ({"aud": "https://other.example"}, 401, "another audience"),
        ({"aud": [AUDIENCE, "https://other.example"]}, 401, "another audience"),
        ({"exp": 1_000_000_000, "iat": 999_999_000, "nbf": 999_999_000}, 401, "expired"),
        ({"jti": None}, 401, "no id"),
        ({"repository": "evil/shop"}, 403, "repository evil/shop"),
        ({"ref": "refs/heads/other"}, 403, "fits none"),
        ({"ref": "refs/pull/3/merge"}, 403, "branch or a tag"),
        ({"event_name": "pull_request_target"}, 403, "started by"),
        ({"sha": "f" * 40}, 403, "is not on refs/heads/main"),
        ({"ref": "refs/tags/v9"}, 403, "is not on refs/tags/v9"),
    ],
)
def test_whoever_may_not_is_refused(ci: Ci, more: dict[str, Any], status: int, why: str) -> None:
    """Issuer, audience, time, repository, ref, event, commit: each alone is enough; nothing is recorded."""
    answer = ci.send(ci.token(**more))
    assert (answer.status_code, why in answer.text) == (status, True), answer.text
    assert ci.builds() == []
    assert not any((ci.house.folder / "builds").glob("*"))


def test_forged_tokens_are_refused(ci: Ci) -> None:
    """`none`, a shared secret, a key that the issuer does not publish, and no token at all."""
    head = ci.house.made.git("rev-parse", "HEAD")
    said = github(ci.issuer.url, head)
    for token in (
        forged({"alg": "none", "kid": "one"}, said, b""),
        forged({"alg": "HS256", "kid": "one"}, said),
        sign(said, rsa_key("stranger")),
        sign(said, rsa_key("stranger"), kid="one"),
        "cwy_something",
        "x",
    ):
        answer = ci.send(token)
        assert answer.status_code == 401, answer.text
        assert len(token) < 5 or token not in answer.text
    bare = ci.client.post("/v1/attestations", params={"service": "shop"})
    assert bare.status_code == 401


def test_another_service_is_not_theirs(ci: Ci) -> None:
    """A rule is about one service: the cart takes nothing of the shop's jobs; an unknown one is unknown."""
    assert ci.send(ci.token(), service="cart").status_code == 403
    assert ci.send(ci.token(), service="nothing").status_code == 404


def test_a_token_is_used_once(ci: Ci) -> None:
    """The same token with other bytes is a replay; with the same bytes, it is the same answer again."""
    token = ci.token()
    first = ci.send(token)
    again = ci.send(token)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = ci.send(token, {"shop.tar": b"other"})
    assert other.status_code == 403
    assert "used before" in other.text
    assert len(ci.builds()) == 1


def test_the_same_content_is_one_build(ci: Ci) -> None:
    """A job that runs again and makes the same bytes of the same commit gets the build that is there."""
    first, again = ci.send(ci.token()), ci.send(ci.token(run_id="7", run_attempt="1"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert ci.send(ci.token(), {"shop.tar": b"other"}).status_code == 201


def test_bytes_are_what_their_digest_says(ci: Ci) -> None:
    """A part whose bytes differ from its digest, or that has none, is refused; nothing stays."""
    wrong = ci.send(ci.token(), {"shop.tar": b"x"}, **{"Repr-Digest": digest(b"y")})
    assert wrong.status_code == 409
    none = ci.send(ci.token(), {"shop.tar": b"x"}, **{"Repr-Digest": "md5=:abc:"})
    assert none.status_code == 422
    assert ci.builds() == []
    assert not any((ci.house.folder / "builds").glob("*"))


@pytest.mark.parametrize(
    "body",
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b"{}", "application/json"),
        (b"--b--\r\n", "multipart/form-data"),
        (
            b'--b\r\nContent-Disposition: form-data; name="artifact"\r\n\r\nx\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
    ],
)
def test_a_body_that_is_no_upload_is_refused(ci: Ci, body: tuple[bytes, str]) -> None:
    """Empty, cut, of another kind, or without a file."""
    headers = {"Authorization": f"Bearer {ci.token()}", "Content-Type": body[1]}
    answer = ci.client.post("/v1/attestations", params={"service": "shop"}, content=body[0], headers=headers)
    assert answer.status_code == 422, answer.text
    assert ci.builds() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "a\\b", "x" * 300])
def test_a_name_leads_nowhere(ci: Ci, name: str) -> None:
    """Files are called as they are called, and lie where we put them."""
    assert ci.send(ci.token(), {name: b"x"}).status_code == 422
    assert ci.builds() == []


def test_a_version_is_chosen_as_for_builds(ci: Ci) -> None:
    """The tag of the commit; what the job says only where no tag names the commit, or another one."""
    house = ci.house
    house.commit("feat: tagged")
    house.made.git("tag", "v1.2.0")
    tagged = ci.send(ci.token(ref="refs/tags/v1.2.0"), {"a.tar": b"1"}).json()
    assert tagged["version"] == "1.2.0"
    assert ci.send(ci.token(), {"a.tar": b"2"}, version="1.3.0").status_code == 409
    house.commit("feat: next")
    assert ci.send(ci.token(), {"a.tar": b"3"}, version="1.2.0").status_code == 409
    assert ci.send(ci.token(), {"a.tar": b"4"}, version="no version!").status_code == 422
    assert ci.send(ci.token(), {"a.tar": b"5"}, version="1.3.0").json()["version"] == "1.3.0"


def test_a_release_can_be_made_of_it(ci: Ci) -> None:
    """By its version, as of any build; gates see who built it, at which level, and what its tests claim."""
    made = ci.send(ci.token(), evidence={"junit.xml": JUNIT, "scan.sarif": SARIF, "bom.json": BOM}).json()
    with ci.house.database.begin() as uow:
        release = releases.create(uow, DANA, "shop", version=made["version"])
    assert release.build_id == made["id"]
    assert release.bundle_digest == made["artifacts"][0]["digest"]
    assert made["tests"] == {"ok": True, "passed": 2, "failed": 0, "skipped": 0, "total": 2}
    kinds = {each["name"]: (each["kind"], each["verified"]) for each in made["external"]["evidence"]}
    assert kinds == {
        "junit.xml": ("junit", False),
        "scan.sarif": ("sarif", False),
        "bom.json": ("sbom", False),
    }
    said = evidence(ci, release.bundle_digest)
    assert said[artifacts.TEST_RESULT]["claimedBy"]["ci"] == "hub"
    assert said[artifacts.SBOM]["bomFormat"] == "CycloneDX"
    assert set(said) == {
        artifacts.PROVENANCE,
        artifacts.CLAIMED,
        artifacts.TEST_RESULT,
        artifacts.FINDINGS,
        artifacts.SBOM,
    }
    assert {claimed_for(each) for each in said.values()} == {made["id"]}


def test_evidence_that_cannot_be_read_is_refused(ci: Ci) -> None:
    """Somebody relies on it; what is of no known kind is kept as a file."""
    assert ci.send(ci.token(), evidence={"junit.xml": b"<testsuite><broken"}).status_code == 422
    kept = ci.send(ci.token(), evidence={"x.bin": b"\0\1", "y.json": b"[1", "page.html": b"<html/>"}).json()
    assert {each["kind"] for each in kept["external"]["evidence"]} == {"file"}


def signed(
    key: Ed25519PrivateKey, digests: list[str], builder: str, kind: str = artifacts.PROVENANCE
) -> bytes:
    """Provenance that a CI signed by itself."""
    subjects = [(f"file-{number}", each) for number, each in enumerate(digests)]
    said = {"buildDefinition": {}, "runDetails": {"builder": {"id": builder}}}
    payload = json.dumps(artifacts.statement(subjects, kind, said)).encode()
    signature = key.sign(artifacts.pre_authentication(payload))
    return json.dumps(
        {
            "payloadType": "application/vnd.in-toto+json",
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()


def test_level_2_needs_provenance_that_the_ci_signed(ci: Ci) -> None:
    """By a declared key, of its builder, about every artifact; anything less is an unverified statement."""
    key, builder = Ed25519PrivateKey.generate(), "https://ci.example/builder"
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    ci.house.apply(
        json.dumps(
            {
                "kind": "TrustedCI",
                "name": "hub",
                "forge": "github",
                "issuer": ci.issuer.url,
                "audience": AUDIENCE,
                "services": [{"service": "shop", "repositories": ["acme/shop"], "refs": ["refs/heads/main"]}],
                "provenance_keys": [{"key": pem, "builder": builder}],
            }
        )
    )
    both = {"a.tar": b"a", "b.tar": b"b"}
    digests = ["sha256:" + hashlib.sha256(each).hexdigest() for each in both.values()]
    good = signed(key, digests, builder)
    bad = [
        signed(Ed25519PrivateKey.generate(), digests, builder),
        signed(key, digests[:1], builder),
        signed(key, digests, "https://evil.example"),
        signed(key, digests, builder, artifacts.SBOM),
        good.replace(b'"payload": "', b'"payload": "AAAA'),
        b'{"payloadType": "application/vnd.in-toto+json"}',
    ]
    for number, each in enumerate(bad):
        made = ci.send(ci.token(), both, {f"{number}.json": each}).json()
        assert (made["external"]["level"], made["external"]["evidence"][0]["kind"]) == (1, "in-toto"), number
    made = ci.send(ci.token(), both, {"provenance.json": good}).json()
    assert made["external"]["level"] == 2
    assert made["external"]["evidence"][0]["verified"] is True


def test_trusted_systems_are_shown(ci: Ci) -> None:
    """Whoever may read the platform sees whom it trusts."""
    with ci.house.database.begin() as uow:
        token = access.create_token(uow, DANA, scopes=("*",)).secret
    answer = ci.client.get("/v1/trusted-cis", headers={"Authorization": f"Bearer {token}"})
    assert [each["name"] for each in answer.json()["items"]] == ["azure", "hub", "lab"]
    refused = ci.client.post(
        "/v1/attestations", params={"service": "shop"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert refused.status_code == 401


def test_the_gate_of_the_docs_stops_what_was_only_claimed(ci: Ci) -> None:
    """Level 1 from elsewhere does not pass, and the verdict says what it read; a build of ours does."""
    page = (ROOT / "docs/how-to/attest-from-your-ci.md").read_text()
    gate = next(each for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "kind: Gate" in each)
    ci.house.database.tools[policy.Evaluator] = CelEvaluator()
    ci.house.apply(gate)
    ci.house.apply(
        "{kind: Environment, name: dev, order: 1, gates: [built-by-us], strategy: {kind: recreate}}"
    )
    made = ci.send(ci.token(), evidence={"junit.xml": JUNIT}).json()
    ci.house.release("9.0.0", "own")
    with ci.house.database.begin() as uow:
        releases.create(uow, DANA, "shop", version=made["version"])
        theirs = releases.dry_run(uow, DANA, "shop", made["version"], "dev").gates
        ours = releases.dry_run(uow, DANA, "shop", "9.0.0", "dev").gates
    assert [each.answer for each in theirs.verdicts] == ["no"]
    assert "build.level" in theirs.verdicts[0].would_change
    assert [each.answer for each in ours.verdicts] == ["yes"]


def test_what_a_ci_claims_counts_for_its_own_build_alone(ci: Ci) -> None:
    """A CI that may vouch for another service cannot speak well of the shop's bytes by sending them there."""
    bytes_ = b"the shop's own"
    (ci.house.folder / "own").write_bytes(bytes_)
    release = ci.house.release("9.0.0", bytes_.decode(), failed=2)
    ci.house.apply(
        json.dumps(
            {
                "kind": "TrustedCI",
                "name": "toys",
                "forge": "github",
                "issuer": ci.issuer.url,
                "audience": AUDIENCE,
                "services": [{"service": "shop", "repositories": ["toys/shop"], "refs": ["refs/heads/main"]}],
            }
        )
    )
    made = ci.send(ci.token(repository="toys/shop"), {"toy.tar": bytes_}, {"junit.xml": JUNIT}).json()
    assert made["artifacts"][0]["digest"] == release.bundle_digest
    with ci.house.database.read() as uow:
        facts = gather(
            uow,
            release,
            "dev",
            kind="rollout",
            requested_by="dana",
            approvers=(),
            previous=Ran(False),
            window=ALWAYS,
        )
    assert facts["evidence"]["tests"]["failed"] == 2
    assert facts["evidence"]["provenance"]["present"] is False
    assert facts["build"] == {
        "origin": "clearway",
        "level": 1,
        "ci": "",
        "repository": "",
        "ref": "main",
        "runner": "",
    }
