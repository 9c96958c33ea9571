/// A node image in the cache, complete and ready to boot.
public struct NodeImageArtifact: Sendable, Equatable {
    /// SHA-256 over every input, 64 hexadecimal characters: the image's name.
    public let digest: String
    /// The kernel for QEMU's `-kernel`: an ELF `vmlinux` with a PVH entry, else a bzImage.
    public let kernelPath: String
    /// The initramfs for QEMU's `-initrd`.
    public let initrdPath: String
    /// The release as `uname -r` in the node prints it, for example `6.1.0-50-cloud-amd64`.
    public let kernelRelease: String
    public let series: KernelSeries
    /// Version of the kernel package, for example `6.1.176-1`.
    public let packageVersion: String
    /// Size of kernel and initramfs together.
    public let bytes: Int

    /// The first twelve characters of ``digest``, for people.
    public var shortDigest: String { String(digest.prefix(12)) }
}

/// What `ensure` is doing, for a progress line.
public enum ImageProgress: Sendable, Equatable, CustomStringConvertible {
    case waitingForOtherBuild
    case resolving(KernelSeries)
    /// The size is that of the packages as downloaded, in bytes.
    case downloading(packages: [String], bytes: Int)
    case unpackingKernel(release: String)
    case writingInitramfs
    case ready(digest: String)
    case resolvingUserland(suite: String)
    case packingUserland(packages: Int)
    case userlandReady(digest: String)
    case resolvingControlPlane(suite: String)
    /// `done` is the share of all work, from 0 to 1.
    case buildingControlPlane(ControlPlaneStep, done: Double, secondsLeft: Int)
    case controlPlaneReady(digest: String)
    case buildingKubeletDisk(KubeletDiskStep)
    case kubeletDiskReady(digest: String)

    public var description: String {
        switch self {
        case .waitingForOtherBuild: "waiting for another image build"
        case .resolving(let series): "looking for the \(series.rawValue) kernel in Debian \(series.suite)"
        case .downloading(let packages, let bytes):
            "downloading \(Self.names(packages)) (\(bytes / 1_000_000) MB)"
        case .unpackingKernel(let release): "unpacking kernel \(release)"
        case .writingInitramfs: "writing the initramfs"
        case .ready(let digest): "image \(digest.prefix(12)) is ready"
        case .resolvingUserland(let suite): "looking for the userland's packages in Debian \(suite)"
        case .packingUserland(let packages): "packing the userland of \(packages) packages"
        case .userlandReady(let digest): "userland \(digest.prefix(12)) is ready"
        case .resolvingControlPlane(let suite): "looking for Kubernetes' sources in Debian \(suite)"
        case .buildingControlPlane(let step, let done, let seconds):
            "\(step.rawValue): \(Int(done * 100)) %, about \(Self.time(seconds)) left"
        case .buildingKubeletDisk(let step): "\(step)"
        case .kubeletDiskReady(let digest): "kubelet disk \(digest.prefix(12)) is ready"
        case .controlPlaneReady(let digest): "control plane \(digest.prefix(12)) is ready"
        }
    }

    private static func time(_ seconds: Int) -> String {
        seconds < 60 ? "\(seconds) s" : "\(seconds / 60) min \(seconds % 60) s"
    }

    private static func names(_ packages: [String]) -> String {
        packages.count <= 4 ? packages.joined(separator: ", ") : "\(packages.count) packages"
    }
}
