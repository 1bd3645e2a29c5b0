"""What the boot server answers, over a real registry and a real repository."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.boot.addresses import Pool
from haoscar_pxe.boot.answers import BootAnswers
from haoscar_pxe.boot.deltas import Deltas
from haoscar_pxe.boot.generations import Generations
from haoscar_pxe.boot.identity import Site
from haoscar_pxe.boot.notebook import Notebook
from haoscar_pxe.config import InstallConfig, ServeConfig
from haoscar_pxe.image.delta_cache import DeltaCache
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.nodes.arming import new_arming
from haoscar_pxe.nodes.asking import Asker, DhcpAnswer, Reads, Refusal, Silence
from haoscar_pxe.nodes.declare import armed, interface, new_node
from haoscar_pxe.nodes.leases import Lease, LeaseFile
from haoscar_pxe.nodes.node import NodeState
from haoscar_pxe.nodes.order import InstallOrder, NodeEvent, Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.standby import SyncOrder
from haoscar_pxe.nodes.strangers import StrangerFile
from haoscar_pxe.nodes.timeline import TimelineFile
from tests.unit.boot import small_image

MAC = "52:54:00:00:00:20"
IP = "10.77.0.20"
STRANGER = "52:54:00:00:00:99"
ALL = Reads(None)
CONFIGURATION = "pxelinux.cfg/01-52-54-00-00-00-20"


@pytest.fixture
def answers(tmp_path: Path) -> BootAnswers:
    key = SigningKey.generate()
    key.save(tmp_path / "key")
    small_image.make(tmp_path / "images", key)
    registry = Registry(tmp_path / "registry.sqlite")
    lan = interface(MAC, f"{IP}/24")
    registry.add(new_node("standby", role="standby", image="primary", interfaces=(lan,)))

    def prepare(image: str, generation: int) -> dict[str, Path]:
        return {
            name: tmp_path / f"{image}-{generation}-{name}" for name in ("vmlinuz", "initramfs")
        }

    generations = Generations.of(
        tmp_path / "images", TrustedKeys.of(key.public), KeyFolder(tmp_path / "sealing")
    )
    return BootAnswers(
        registry=registry,
        generations=generations,
        deltas=Deltas(generations, DeltaCache(tmp_path / "deltas")),
        serve=ServeConfig(gateway="10.77.0.1", domain="cluster"),
        install=InstallConfig(),
        site=Site(gateway="10.77.0.1", domain="cluster"),
        firmware={name: tmp_path / name for name in ("lpxelinux.0", "shimx64.efi", "grubx64.efi")},
        prepare=prepare,
        pool=None,
    )


def order(answers: BootAnswers) -> InstallOrder:
    given = answers.order(MAC, IP)
    assert isinstance(given, bytes)
    return msgspec.json.decode(given, type=InstallOrder)


def report(answers: BootAnswers, token: str, step: Step) -> Refusal | None:
    return answers.event(token, msgspec.json.encode(NodeEvent(mac=MAC, step=step)))


def test_a_known_node_always_gets_its_own_address(answers: BootAnswers) -> None:
    answer = answers.dhcp(Asker(mac=MAC, arch=0, requested_ip=IPv4Address("10.77.0.99")))
    assert isinstance(answer, DhcpAnswer)
    assert answer.address == IPv4Interface("10.77.0.20/24")
    assert answer.hostname == "standby"
    assert answer.boot_filename == "lpxelinux.0"
    assert answer.next_server == IPv4Address("10.77.0.1")


def test_a_firmware_we_have_no_program_for_gets_an_address_and_the_reason(
    answers: BootAnswers,
) -> None:
    answer = answers.dhcp(Asker(mac=MAC, arch=11))
    assert isinstance(answer, DhcpAnswer)
    assert answer.boot_filename == ""
    assert "architecture 11" in answer.reason


def test_a_stranger_is_not_answered_without_a_pool(answers: BootAnswers) -> None:
    assert isinstance(answers.dhcp(Asker(mac=STRANGER)), Silence)


def test_strangers_share_the_pool_and_never_get_a_nodes_address(answers: BootAnswers) -> None:
    nodes_address = IPv4Address(IP)
    pool = Pool(
        IPv4Address("10.77.0.19"), IPv4Address("10.77.0.21"), 60, lambda: 0.0, nodes_address.__eq__
    )
    with_pool = replace(answers, pool=pool)
    given = [with_pool.dhcp(Asker(mac=f"52:54:00:00:01:0{n}")) for n in (1, 2, 1, 3)]
    addresses = [str(each.address.ip) for each in given if isinstance(each, DhcpAnswer)]
    assert addresses == ["10.77.0.19", "10.77.0.21", "10.77.0.19"]
    assert isinstance(given[3], Silence)


def test_a_stranger_gives_its_address_back_and_a_node_cannot_lose_its_own(
    answers: BootAnswers,
) -> None:
    first = IPv4Address("10.77.0.100")
    pool = Pool(first, first, 60, lambda: 0.0, lambda _: False)
    with_pool = replace(answers, pool=pool)
    assert isinstance(with_pool.dhcp(Asker(mac=STRANGER)), DhcpAnswer)
    assert not with_pool.given_back(MAC, IPv4Address(IP), is_in_use=True)
    assert isinstance(with_pool.dhcp(Asker(mac=MAC)), DhcpAnswer)
    assert with_pool.given_back(STRANGER, first, is_in_use=False)
    assert isinstance(with_pool.dhcp(Asker(mac="52:54:00:00:01:01")), DhcpAnswer)
    assert not answers.given_back(STRANGER, first, is_in_use=False), "there is no pool"


def test_a_strangers_lease_is_kept_and_a_nodes_needs_no_keeping(
    answers: BootAnswers, tmp_path: Path
) -> None:
    first = IPv4Address("10.77.0.100")
    leases = LeaseFile(tmp_path / "leases.sqlite")
    pool = Pool(first, first, 60, lambda: 0.0, lambda _: False)
    with_pool = replace(answers, pool=pool, leases=leases)
    for mac in (STRANGER, MAC):
        assert isinstance(with_pool.dhcp(Asker(mac=mac)), DhcpAnswer)
    assert with_pool.unkept_leases() is None, "an offer is no lease"
    assert not with_pool.leased(MAC, IPv4Address(IP))
    assert with_pool.leased(STRANGER, first)
    keep = with_pool.unkept_leases()
    assert keep is not None
    keep()
    assert leases.all() == {first: Lease(STRANGER, 60.0)}
    assert with_pool.unkept_leases() is None
    leases.close()


def test_who_will_not_give_an_address_up_takes_none_from_the_pool(answers: BootAnswers) -> None:
    first = IPv4Address("10.77.0.100")
    pool = Pool(first, first, 60, lambda: 0.0, lambda _: False)
    with_pool = replace(answers, pool=pool)
    own = IPv4Address("10.77.0.9")
    inform = with_pool.dhcp(Asker(mac=STRANGER, message="INFORM", requested_ip=own))
    assert isinstance(inform, DhcpAnswer)
    assert inform.address.ip == own
    elsewhere = IPv4Address("192.0.2.1")
    for asker in (
        Asker(mac=STRANGER, message="BOOTP"),
        Asker(mac=STRANGER, message="INFORM"),
        Asker(mac=STRANGER, message="INFORM", requested_ip=elsewhere),
    ):
        assert isinstance(with_pool.dhcp(asker), Silence)
    assert pool.offer("52:54:00:00:01:01") == first
    assert isinstance(with_pool.dhcp(Asker(mac=MAC, message="BOOTP")), DhcpAnswer)


def test_an_armed_node_is_sent_the_installer_without_any_secret(answers: BootAnswers) -> None:
    rendered = answers.tftp(CONFIGURATION, IP)
    assert isinstance(rendered, bytes)
    text = rendered.decode()
    assert "KERNEL http://10.77.0.1:8069/boot/primary/1/vmlinuz" in text
    assert f"haoscar.mac={MAC}" in text
    assert answers.registry.get("standby").order_token not in text


def test_a_stranger_is_sent_a_menu_that_boots_its_disk(answers: BootAnswers) -> None:
    rendered = answers.tftp("pxelinux.cfg/01-52-54-00-00-00-99", "10.77.0.99")
    assert isinstance(rendered, bytes)
    assert b"LOCALBOOT" in rendered
    assert b"vmlinuz" not in rendered


def test_names_outside_the_fixed_set_do_not_exist(answers: BootAnswers) -> None:
    for name in (
        *("../../etc/shadow", "pxelinux.cfg/default", "pxelinux.cfg/01-zz", ""),
        *("revocations_sbat.efi", "shim_certificate_0.efi", "grub/x86_64-efi/command.lst"),
        *("grub/grub.cfg-01-52-54-00-00-00-20/..", "ipxe/01-52", "grub/../shimx64.efi"),
    ):
        assert answers.tftp(name, IP) is None
    for name in (
        "firmware/shadow",
        "firmware/../x",
        "ipxe/01-zz",
        "primary/1/../x",
        "primary/9/vmlinuz",
        "other/1/vmlinuz",
        "primary/1/shadow",
    ):
        assert answers.boot_file(name) is None
    assert answers.pack(ALL, "../../../etc/shadow") is None
    assert answers.manifest("../etc", 1) is None


def test_the_order_opens_the_door_until_the_node_is_armed_anew(answers: BootAnswers) -> None:
    token = answers.registry.get("standby").order_token
    assert not answers.reads(token)
    given = order(answers)
    assert given.token == token
    assert answers.registry.get("standby").state is NodeState.INSTALLING
    assert answers.reads(token)
    assert report(answers, token, Step.INSTALLED) is None
    assert answers.registry.get("standby").state is NodeState.INSTALLED
    assert answers.reads(token)
    answers.registry.change("standby", armed)
    assert not answers.reads(token)


def test_an_installed_node_is_told_what_to_become_and_nobody_else_is(
    answers: BootAnswers, tmp_path: Path
) -> None:
    token = order(answers).token
    early, unknown = answers.sync_order(token), answers.sync_order("guessed")
    assert isinstance(early, Refusal)
    assert isinstance(unknown, Refusal)
    assert (early.status, unknown.status) == (409, 401)
    report(answers, token, Step.INSTALLED)
    small_image.make(tmp_path / "images", SigningKey.load(tmp_path / "key"))
    given = answers.sync_order(token)
    assert isinstance(given, bytes)
    told = msgspec.json.decode(given, type=SyncOrder)
    assert (told.node, told.image, told.generation) == ("standby", "primary", 2)
    assert b"etc/hostname" in {change.path for change in told.identity}
    assert token.encode() not in given


def test_a_sync_that_is_done_says_what_the_node_has_now(answers: BootAnswers) -> None:
    token = order(answers).token
    report(answers, token, Step.INSTALLED)
    assert answers.registry.get("standby").ordered_generation == 1
    event = NodeEvent(mac=MAC, step=Step.SYNCED, generation=7)
    assert answers.event(token, msgspec.json.encode(event)) is None
    assert answers.registry.get("standby").ordered_generation == 7
    report(answers, token, Step.FAILED)
    assert answers.registry.get("standby").state is NodeState.INSTALLED


def test_an_installed_node_is_sent_to_its_own_disk_and_gets_no_second_order(
    answers: BootAnswers,
) -> None:
    report(answers, order(answers).token, Step.INSTALLED)
    assert b"LOCALBOOT" in bytes(answers.tftp(CONFIGURATION, IP) or b"")
    refusal = answers.order(MAC, IP)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 409


def test_installer_and_standby_route_as_dhcp_told_the_firmware(answers: BootAnswers) -> None:
    rendered = answers.tftp(CONFIGURATION, IP)
    assert isinstance(rendered, bytes)
    assert b"haoscar.gateway=10.77.0.1" in rendered
    assert order(answers).interfaces[0].gateway == "10.77.0.1"


def test_an_interrupted_installation_gets_the_same_order_again(answers: BootAnswers) -> None:
    assert order(answers) == order(answers)


def test_a_failed_node_keeps_what_it_said(answers: BootAnswers) -> None:
    token = order(answers).token
    report(answers, token, Step.FAILED)
    assert answers.registry.get("standby").state is NodeState.FAILED
    assert answers.registry.events("standby")[-1].event.step is Step.FAILED


def test_a_token_of_an_earlier_arming_is_worthless(answers: BootAnswers) -> None:
    old = order(answers).token
    answers.registry.change("standby", armed)
    assert not answers.reads(old)
    refusal = report(answers, old, Step.INSTALLED)
    assert refusal is not None
    assert refusal.status == 401
    assert answers.registry.get("standby").state is NodeState.ARMED


@pytest.mark.parametrize(
    ("mac", "ip", "status"),
    [("nonsense", IP, 400), (STRANGER, IP, 404), (MAC, "10.77.0.66", 403)],
)
def test_an_order_is_given_to_the_node_itself_alone(
    mac: str, ip: str, status: int, answers: BootAnswers
) -> None:
    refusal = answers.order(mac, ip)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert answers.registry.get("standby").state is NodeState.ARMED


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"mac": 1}', b'{"mac":"x","step":"dance"}', b"\xff", b"[" * 9999]
)
def test_what_is_no_event_is_refused_and_not_kept(body: bytes, answers: BootAnswers) -> None:
    refusal = answers.event(order(answers).token, body)
    assert refusal is not None
    assert refusal.status == 400
    assert answers.registry.events("standby") == []


def test_the_packs_of_a_generation_are_those_that_are_served(answers: BootAnswers) -> None:
    ids = json.loads(answers.packs_of("primary", 1) or b"[]")
    assert ids
    for pack_id in ids:
        path = answers.pack(ALL, pack_id)
        assert path is not None
        assert path.is_file()


def test_a_nodes_token_opens_its_own_images_packs_alone(
    answers: BootAnswers, tmp_path: Path
) -> None:
    key = SigningKey.load(tmp_path / "key")
    own = json.loads(answers.packs_of("primary", 1) or b"[]")
    small_image.make(tmp_path / "images", key, "other", files={b"srv/secret": b"another image's"})
    others = set(answers.generations.repository.store.pack_ids()) - set(own)
    reads = answers.reads(order(answers).token)
    assert reads == Reads(frozenset(["primary"]))
    assert len(others) == 2, "its page and its file"
    assert [answers.pack(reads, pack_id) for pack_id in others] == [None, None]
    assert all(answers.pack(reads, pack_id) for pack_id in own)
    small_image.make(tmp_path / "images", key, "primary", files={b"srv/new": b"of a later capture"})
    assert all(answers.pack(reads, each) for each in answers.generations.packs_of("primary", 2))
    assert [answers.pack(reads, pack_id) for pack_id in others] == [None, None]


def test_a_new_capture_is_what_an_armed_node_gets(answers: BootAnswers, tmp_path: Path) -> None:
    key = SigningKey.generate()
    small_image.make(tmp_path / "images", key)
    assert answers.install_files(answers.registry.get("standby")).generation == 2


def test_orders_are_counted_and_no_more_are_given_than_were_allowed(answers: BootAnswers) -> None:
    answers.registry.change("standby", lambda n: armed(n, new_arming(answers.now_ns(), orders=2)))
    token = order(answers).token
    order(answers)
    assert answers.registry.get("standby").arming.given == 2
    refusal = answers.order(MAC, IP)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 409
    assert "given 2 orders" in refusal.reason
    assert "node set standby --install" in refusal.reason
    assert answers.reads(token), "what it was ordered before goes on"
    assert b"LOCALBOOT" in bytes(answers.tftp(CONFIGURATION, IP) or b"")


def test_two_that_ask_at_once_do_not_share_the_last_order(answers: BootAnswers) -> None:
    """The count is looked at again under the registry's lock."""
    arming = new_arming(answers.now_ns(), orders=1)
    answers.registry.change("standby", lambda node: armed(node, arming))
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: answers.order(MAC, IP), range(8)))
    assert sum(isinstance(each, bytes) for each in given) == 1


def test_no_order_is_given_after_the_time(answers: BootAnswers) -> None:
    end_ns = answers.registry.get("standby").arming.until_ns
    late = replace(answers, now_ns=lambda: end_ns)
    refusal = late.order(MAC, IP)
    assert isinstance(refusal, Refusal)
    assert "was armed until" in refusal.reason
    assert isinstance(replace(answers, now_ns=lambda: end_ns - 1).order(MAC, IP), bytes)


GRUB_NAMES = (
    "grub/grub.cfg-01-52:54:00:00:00:20",
    "grub/grub.cfg-01-52-54-00-00-00-20",
)


def said(answers: BootAnswers) -> list[str]:
    """What each boot loader is sent: pxelinux, GRUB by either name, iPXE."""
    found = [answers.tftp(name, IP) for name in (CONFIGURATION, *GRUB_NAMES)]
    found.append(answers.boot_file("ipxe/01-52-54-00-00-00-20"))
    return [bytes(each).decode() for each in found if isinstance(each, bytes)]


def test_all_boot_loaders_are_told_the_same(answers: BootAnswers) -> None:
    texts = said(answers)
    assert len(texts) == 4
    for text in texts:
        assert "/boot/primary/1/vmlinuz" in text
        assert "/boot/primary/1/initramfs" in text
        assert f"haoscar.mac={MAC} haoscar.address=10.77.0.20/24" in text
        assert "installing standby from primary generation 1" in text
        assert answers.registry.get("standby").order_token not in text
    report(answers, order(answers).token, Step.INSTALLED)
    for text in said(answers):
        assert "standby is installed; booting from the local disk" in text
        assert "vmlinuz" not in text


def test_grub_asks_for_its_mac_in_one_step(answers: BootAnswers) -> None:
    start = answers.tftp("grub/grub.cfg", IP)
    assert isinstance(start, bytes)
    assert b"configfile $prefix/grub.cfg-01-$net_default_mac" in start
    assert b"linux" not in start


def test_boot_programs_are_had_by_both_protocols_and_files_of_images_by_name(
    answers: BootAnswers,
) -> None:
    assert answers.tftp("grubx64.efi", IP) == answers.firmware["grubx64.efi"]
    assert answers.boot_file("firmware/grubx64.efi") == answers.firmware["grubx64.efi"]
    assert answers.boot_file("primary/1/vmlinuz") == answers.prepare("primary", 1)["vmlinuz"]


def test_a_boot_program_that_is_not_installed_is_told_by_name(answers: BootAnswers) -> None:
    answer = answers.dhcp(Asker(mac=MAC, arch=16, vendor_class="HTTPClient:Arch:00016"))
    assert isinstance(answer, DhcpAnswer)
    assert answer.boot_filename == ""
    assert "snponly.efi is not on this server" in answer.reason


def test_strangers_are_noted_with_their_steps_and_nodes_with_what_was_decided(
    answers: BootAnswers, tmp_path: Path
) -> None:
    strangers = StrangerFile(tmp_path / "strangers.sqlite")
    timeline = TimelineFile(tmp_path / "timeline.sqlite")
    notebook = Notebook(answers.registry, strangers, timeline)
    noting = replace(answers, notebook=notebook, now_ns=lambda: 1)
    for mac in (MAC, STRANGER):
        noting.dhcp(Asker(mac=mac, arch=7, vendor_class="PXEClient:Arch:00007"))
        noting.tftp(f"pxelinux.cfg/01-{mac.replace(':', '-')}", IP)
    notebook.write()
    (seen,) = strangers.all()
    assert seen.mac == STRANGER
    assert seen.steps == ("firmware DISCOVER", "pxelinux configuration")
    (decided,) = timeline.of("standby")
    assert (decided.kind, decided.at_ns) == ("decided", 1)
    assert decided.message.startswith("install: standby is armed")
