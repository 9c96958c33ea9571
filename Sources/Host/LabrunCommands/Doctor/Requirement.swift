/// One thing that a lab needs from the host, found or missing.
struct Requirement: Codable, Equatable, Sendable {
    enum State: String, Codable, Sendable {
        case found
        /// No lab can run.
        case missing
        /// A lab runs, but slower, or only as long as the cache suffices.
        case degraded
    }

    /// A stable name for scripts.
    var id: String
    var title: String
    var state: State
    /// What was found on the host.
    var detail: String
    /// The command that mends it, or `nil` if nothing is missing.
    var mend: String?
}

/// What was found on a host. `requirements` judges it.
struct HostSurvey: Sendable, Equatable {
    var emulator: Bool
    var libvirtDriver: Bool
    /// Why the namespaces failed, or `nil` if a lab could be entered.
    var namespaceFailure: NamespaceFailure?
    /// What was tried inside a throw-away lab, by name. Trials that were not reached are missing.
    var trials: [String: NamespaceTrial]
    var images: Int
    /// Why no kernel package archive answers, or `nil` if one does.
    var archiveFailure: String?
    var cacheDirectory: String
    var freeMiB: Int
    /// The directory of labnode and datapathd, or `nil` if there is none.
    var guestDirectory: String?
    /// Tools that are not on the PATH.
    var missingTools: [String]
    /// Why nodes run as they do, or `nil` if that has not been probed yet.
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
    /// What went wrong, or `nil` if the trial worked.
    var failure: String?
    /// The `errno` of the failure, or 0 if it is unknown.
    var code: Int32
}

extension HostSurvey {
    /// The space in MiB that one image of every kernel needs while it is built.
    static let neededMiB = 500

    /// Every requirement, in the order in which one would mend them.
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
                state: hardwareAcceleration ? .found : .degraded,
                detail: acceleration ?? "not tried yet; the first lab of this boot does it", mend: nil),
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

    /// The requirement for a trial in the lab. A trial that was not reached counts as missing, because nothing proves
    /// that it would work.
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
