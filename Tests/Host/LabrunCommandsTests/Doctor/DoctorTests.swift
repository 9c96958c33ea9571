import Glibc
import Testing

@testable import LabrunCommands

private func healthyHost() -> HostSurvey {
    let names = ["tap", "bridge", "br-netfilter", "nftables", "libvirt-embed"]
    return HostSurvey(
        emulator: true, libvirtDriver: true, namespaceFailure: nil,
        trials: Dictionary(uniqueKeysWithValues: names.map { ($0, NamespaceTrial(id: $0, failure: nil, code: 0)) }),
        images: 1, archiveFailure: nil, cacheDirectory: "/home/a/.cache/labrun", freeMiB: 9000,
        guestDirectory: "/opt/labrun/guest", missingTools: [], acceleration: "no /dev/kvm", hardwareAcceleration: false)
}

private func requirement(_ id: String, _ host: HostSurvey) throws -> Requirement {
    try #require(host.requirements.first { $0.id == id })
}

/// Something that is missing, the requirement that fails because of it, and what the mend must name.
private let lacks: [(String, String, @Sendable (inout HostSurvey) -> Void)] = [
    ("qemu", "qemu-system-x86", { $0.emulator = false }),
    ("libvirt-qemu", "libvirt-daemon-driver-qemu", { $0.libvirtDriver = false }),
    ("guest-binaries", "make build", { $0.guestDirectory = nil }),
    ("tap", "chmod 0666 /dev/net/tun", { $0.trials["tap"] = .init(id: "tap", failure: "denied", code: EACCES) }),
    ("tap", "modprobe tun", { $0.trials["tap"] = .init(id: "tap", failure: "gone", code: ENOENT) }),
    ("br-netfilter", "modprobe br_netfilter", { $0.trials["br-netfilter"]?.failure = "gone" }),
    ("bridge", "modprobe bridge", { $0.trials["bridge"]?.failure = "refused" }),
    ("nftables", "nf_tables", { $0.trials["nftables"]?.failure = "refused" }),
    ("libvirt-embed", "libvirt-daemon-driver-qemu", { $0.trials["libvirt-embed"]?.failure = "no driver" }),
    (
        "kernels", "labrun image build",
        {
            $0.images = 0; $0.archiveFailure = "deb.debian.org:80 does not answer"
        }
    ),
    (
        "disk", "prune",
        {
            $0.images = 0; $0.freeMiB = 10
        }
    ),
    (
        "tools", "kmod",
        {
            $0.images = 0; $0.missingTools = ["depmod"]
        }
    ),
]

@Suite struct DoctorTests {
    @Test func aHealthyHostCanRunALab() throws {
        #expect(healthyHost().requirements.allSatisfy { $0.state != .missing })
        #expect(try requirement("acceleration", healthyHost()).state == .degraded)
        #expect(DoctorCommand.text(healthyHost().requirements).hasSuffix("a lab can run here"))
    }

    @Test func identifiersAreUnique() {
        let names = healthyHost().requirements.map(\.id)
        #expect(Set(names).count == names.count)
    }

    @Test(arguments: lacks)
    func aLackIsMissingAndNamesItsMend(
        id: String, mend: String, lack: @Sendable (inout HostSurvey) -> Void
    ) throws {
        var host = healthyHost()
        lack(&host)
        #expect(host.requirements.filter { $0.state == .missing }.map(\.id) == [id])
        #expect(try requirement(id, host).mend?.contains(mend) == true)
        #expect(DoctorCommand.text(host.requirements).contains("mend it: "))
    }

    @Test func aForbiddenNamespaceExplainsEverythingThatWasNotTried() throws {
        var host = healthyHost()
        host.namespaceFailure = .init(message: "cannot create a user namespace", mend: "sudo sysctl -w x=1")
        host.trials = [:]
        for id in ["user-namespaces", "tap", "bridge", "br-netfilter", "nftables", "libvirt-embed"] {
            #expect(try requirement(id, host).state == .missing)
            #expect(try requirement(id, host).mend == "sudo sysctl -w x=1")
        }
    }

    @Test func aCachedImageOutweighsTheNetwork() throws {
        var host = healthyHost()
        host.archiveFailure = "no answer"
        #expect(try requirement("kernels", host).state == .degraded)
    }
}
