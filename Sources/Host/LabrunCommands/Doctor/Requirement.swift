/// One thing that a lab needs from the host, found or missing.
struct Requirement: Codable, Equatable, Sendable {
    enum State: String, Codable, Sendable {
        case found
        /// A lab cannot run.
        case missing
        /// A lab runs, worse: slower, or only as long as the cache suffices.
        case degraded
    }

    /// Stable name, for scripts.
    var id: String
    var title: String
    var state: State
    /// What was seen.
    var detail: String
    /// The command that mends it; `nil` when found.
    var mend: String?
}

/// What was seen on a host; every judgement about it is in `requirements`.
struct HostSurvey: Sendable, Equatable {
    var emulator: Bool
    var libvirtDriver: Bool
    /// The namespaces' own failure; `nil` when a lab could be entered.
    var namespaceFailure: NamespaceFailure?
    /// What was tried inside a throw-away lab, by name; missing names were not reached.
    var trials: [String: NamespaceTrial]
    var images: Int
    /// `nil` when a kernel package archive answers, else why not.
    var archiveFailure: String?
    var cacheDirectory: String
    var freeMiB: Int
    /// Where labnode and datapathd are, `nil` when nowhere.
    var guestDirectory: String?
    /// Tools that are not on the PATH.
    var missingTools: [String]
    /// Why nodes run as they do; `nil` when not probed yet.
    var acceleration: String?
    var hardwareAcceleration: Bool

    struct NamespaceFailure: Sendable, Equatable {
        var message: String
        var mend: String
    }
}

/// One trial in a throw-away lab.
struct NamespaceTrial: Codable, Sendable, Equatable {
    var id: String
    /// `nil` when it worked.
    var failure: String?
    /// `errno` of the failure, 0 when unknown.
    var code: Int32
}

extension HostSurvey {
    /// Space for one image of every kernel while it is built.
    static let neededMiB = 500

    /// Every requirement, in the order in which one would mend them. Pure.
    var requirements: [Requirement] {
        [
            requirement(
                "qemu", "QEMU", ok: emulator, found: "qemu-system-x86_64",
                missing: "qemu-system-x86_64 is not installed",
                mend: "sudo apt-get install -y qemu-system-x86"),
            requirement(
                "libvirt-qemu", "libvirt's QEMU driver", ok: libvirtDriver, found: "libvirt_driver_qemu.so",
                missing: "libvirt_driver_qemu.so is not installed",
                mend: "sudo apt-get install -y libvirt-daemon-driver-qemu"),
            requirement(
                "user-namespaces", "user, network, mount and PID namespaces", ok: namespaceFailure == nil,
                found: "a lab was entered", missing: namespaceFailure?.message ?? "",
                mend: namespaceFailure?.mend ?? ""),
            trial("tap", "tap devices", "/dev/net/tun") {
                $0 == 13 ? "sudo chmod 0666 /dev/net/tun" : "sudo modprobe tun"
            },
            trial("bridge", "bridges", "a bridge was made") { _ in "sudo modprobe bridge" },
            trial("br-netfilter", "bridged packets through nftables", "bridge-nf-call-iptables") { _ in
                "sudo modprobe br_netfilter"
            },
            trial("nftables", "nftables with connection tracking", "a stateful rule set was loaded") { _ in
                "sudo modprobe -a nf_tables nf_conntrack nft_ct nft_log"
            },
            trial("libvirt-embed", "libvirt without a daemon", "qemu:///embed opened") { _ in
                "sudo apt-get install -y libvirt-daemon-driver-qemu qemu-system-x86"
            },
            requirement(
                "guest-binaries", "node guest binaries", ok: guestDirectory != nil, found: guestDirectory ?? "",
                missing: "labnode and datapathd were not found", mend: "make build"),
            kernels,
            requirement(
                "disk", "space in \(cacheDirectory)", ok: freeMiB >= Self.neededMiB || images > 0,
                found: "\(freeMiB) MiB free", missing: "\(freeMiB) MiB free, \(Self.neededMiB) MiB needed",
                mend: "labrun image prune, or set XDG_CACHE_HOME to a larger disk"),
            requirement(
                "tools", "tools that make images", ok: missingTools.isEmpty, found: "dpkg-deb, apt-get, depmod, xz",
                missing: missingTools.joined(separator: ", ") + (missingTools.count == 1 ? " is" : " are")
                    + " not installed",
                mend: "sudo apt-get install -y dpkg apt kmod xz-utils", otherwise: images > 0 ? .degraded : .missing),
            Requirement(
                id: "acceleration", title: "hardware virtualisation",
                state: hardwareAcceleration || acceleration == nil ? .found : .degraded,
                detail: acceleration ?? "proved by the first lab of this boot", mend: nil),
        ]
    }

    private var kernels: Requirement {
        let cached = images == 1 ? "1 image is cached" : "\(images) images are cached"
        guard let archiveFailure else {
            return Requirement(
                id: "kernels", title: "node kernels", state: .found,
                detail: images > 0 ? cached : "the package archive answers", mend: nil)
        }
        return Requirement(
            id: "kernels", title: "node kernels", state: images > 0 ? .degraded : .missing,
            detail: (images > 0 ? cached + "; " : "no image is cached and ") + archiveFailure,
            mend: "connect to the network, or set LABRUN_DEBIAN_MIRROR; then: labrun image build")
    }

    private func requirement(
        _ id: String, _ title: String, ok: Bool, found: String, missing: String, mend: String,
        otherwise: Requirement.State = .missing
    ) -> Requirement {
        Requirement(
            id: id, title: title, state: ok ? .found : otherwise, detail: ok ? found : missing, mend: ok ? nil : mend)
    }

    /// A trial in the lab; one that was not reached is missing, because nothing proves it.
    private func trial(_ id: String, _ title: String, _ found: String, mend: (Int32) -> String) -> Requirement {
        guard let trial = trials[id] else {
            return Requirement(
                id: id, title: title, state: .missing, detail: "not tried: no lab could be entered",
                mend: namespaceFailure?.mend)
        }
        return requirement(
            id, title, ok: trial.failure == nil, found: found, missing: trial.failure ?? "", mend: mend(trial.code))
    }
}
