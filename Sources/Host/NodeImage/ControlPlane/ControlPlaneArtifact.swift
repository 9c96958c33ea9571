import Foundation

/// The programs of a control plane in the cache, complete and ready to be started.
public struct ControlPlaneArtifact: Sendable, Equatable, Codable {
    /// SHA-256 over every input, 64 hexadecimal characters: the folder's name.
    public let digest: String
    /// The folder with `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `etcd` and `kubectl`.
    public let directory: String
    /// Kubernetes' version, for example `1.20.2`.
    public let version: String
    public let bytes: Int

    /// The first twelve characters of ``digest``, for people.
    public var shortDigest: String { String(digest.prefix(12)) }
}

/// What `manifest.json` beside the programs holds.
struct ControlPlaneManifest: Sendable, Codable, Equatable {
    struct Program: Sendable, Codable, Equatable {
        let name: String
        let bytes: Int
        let sha256: String
    }

    let digest: String
    let resolved: ResolvedControlPlane
    /// The files, sorted by name; links are not among them.
    let programs: [Program]

    /// Reads the manifest in `directory`. The result is nil unless all programs are there with their sizes.
    static func load(_ directory: String) -> ControlPlaneManifest? {
        guard let data = FileManager.default.contents(atPath: directory + "/manifest.json"),
            let manifest = try? JSONDecoder().decode(ControlPlaneManifest.self, from: data),
            manifest.programs.allSatisfy({ ImageCache.size(of: "\(directory)/\($0.name)") == $0.bytes }),
            ControlPlaneRecipe.servers.allSatisfy({ ImageCache.size(of: "\(directory)/\($0)") != nil })
        else { return nil }
        return manifest
    }

    func artifact(in directory: String) -> ControlPlaneArtifact {
        ControlPlaneArtifact(
            digest: digest, directory: directory, version: resolved.recipe.version,
            bytes: programs.reduce(0) { $0 + $1.bytes })
    }
}
