import Files
import JSON
import Kubelet
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The folder of static pods' manifests, `*.json`.
struct ManifestFolder: Sendable {
    /// How often it is read (`--file-check-frequency`).
    static let period = Duration.seconds(20)
    private static let mostFiles = 64
    private static let mostBytes = 1 << 20

    let path: String
    let nodeName: String

    struct Reading: Sendable {
        var pods: [KubePod] = []
        /// What is wrong with other files.
        var problems: [String] = []
    }

    /// Reads all manifests; none if there is no folder.
    func read(at now: KubeletTime) -> Reading {
        var reading = Reading()
        let names = ((try? Directories.names(in: path)) ?? []).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
        for name in names.prefix(Self.mostFiles) {
            let file = "\(path)/\(name)"
            do {
                let bytes = try FileDescriptor.open(file, O_RDONLY).read(upTo: Self.mostBytes)
                reading.pods.append(
                    try StaticPods.pod(try JSONText.value(of: bytes), source: file, nodeName: nodeName, at: now))
            } catch {
                reading.problems.append("static pod \(file): \(error)")
            }
        }
        return reading
    }
}
