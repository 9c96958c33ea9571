import Digest
import Foundation

/// What goes into the read-only disk of a node whose kubelet is Kubernetes' own: that kubelet, compiled like the servers
/// of a control plane, and Debian's containerd and runc. Equal recipes and equal packages give equal disks.
///
/// The kubelet is a program of its own and not a part of the servers' one: nodes have it in their memory as far as it
/// runs, and labs without it do not wait for it to be compiled.
public struct KubeletDiskRecipe: Sendable, Codable, Equatable {
    /// The sources, the compiler and all packages.
    public let build: ControlPlaneRecipe
    /// The packages, among those of ``build``, that are unpacked onto the disk.
    public let packages: [String]
    /// Paths below the root that are removed.
    public let removed: [String]

    /// The version counts up with every change to how a disk is made.
    static let version = 1
    /// The package of the sources that is compiled.
    static let program = "./cmd/kubelet"
    /// How many packages the compiler names.
    static let compiledPackages = 1246

    /// The disk that `labrun` attaches.
    public static let standard = KubeletDiskRecipe(
        build: .init(
            ControlPlaneRecipe.standard, packages: ["golang-1.19-go", "golang-1.19-src", Self.reflection] + own),
        packages: own,
        removed: [
            "etc/init.d", "lib/systemd", "usr/share", "usr/bin/containerd-shim", "usr/bin/containerd-shim-runc-v1",
            "usr/bin/ctr", "usr/bin/containerd-stress", "etc/containerd",
        ])

    private static let reflection = "golang-github-modern-go-reflect2-dev"
    private static let own = ["containerd", "runc", "libseccomp2"]
}

extension ControlPlaneRecipe {
    /// The same sources with other packages.
    init(_ other: ControlPlaneRecipe, packages: [String]) {
        self.init(
            suite: other.suite, sourcePackage: other.sourcePackage, version: other.version, commit: other.commit,
            date: other.date, packages: packages, tags: other.tags, leftOut: other.leftOut)
    }
}

/// The packages that the recipe of a kubelet's disk stood for when the archive was last asked.
struct ResolvedKubeletDisk: Sendable, Codable, Equatable {
    let recipe: KubeletDiskRecipe
    let build: ResolvedControlPlane

    /// SHA-256 over every input, 64 hexadecimal characters: the disk's name.
    var digest: String {
        var lines = ["labrun kubelet disk \(KubeletDiskRecipe.version)", "build \(build.digest)"]
        lines += recipe.packages.map { "on the disk \($0)" } + recipe.removed.sorted().map { "removed \($0)" }
        return SHA256Digest.hex(of: Array(lines.joined(separator: "\n").utf8))
    }
}

/// The disk of a kubelet in the cache, complete and ready to be attached.
public struct KubeletDiskArtifact: Sendable, Equatable, Codable {
    /// SHA-256 over every input, 64 hexadecimal characters: the disk's name.
    public let digest: String
    /// The squashfs file. Its size is a multiple of 4096, so it can be attached as a raw, read-only disk.
    public let path: String
    public let bytes: Int
    /// Kubernetes' version, for example `1.20.2`.
    public let version: String
    /// `name version` of each package on the disk.
    public let packages: [String]

    /// The first twelve characters of ``digest``, for people.
    public var shortDigest: String { String(digest.prefix(12)) }
}

/// What `manifest.json` beside a disk holds.
struct KubeletDiskManifest: Sendable, Codable, Equatable {
    let digest: String
    let resolved: ResolvedKubeletDisk
    let bytes: Int
    let sha256: String

    static let disk = "kubelet.squashfs"

    /// Reads the manifest in `directory`. The result is nil unless the disk is complete.
    static func load(_ directory: String) -> KubeletDiskManifest? {
        guard let data = FileManager.default.contents(atPath: directory + "/manifest.json"),
            let manifest = try? JSONDecoder().decode(KubeletDiskManifest.self, from: data),
            ImageCache.size(of: "\(directory)/\(disk)") == manifest.bytes
        else { return nil }
        return manifest
    }

    func artifact(in directory: String) -> KubeletDiskArtifact {
        let versions = Dictionary(resolved.build.packages.map { ($0.name, $0.version) }) { first, _ in first }
        return KubeletDiskArtifact(
            digest: digest, path: "\(directory)/\(Self.disk)", bytes: bytes, version: resolved.recipe.build.version,
            packages: resolved.recipe.packages.compactMap { name in versions[name].map { "\(name) \($0)" } })
    }
}
