import Files
import Glibc
import LinuxKernel
import NodeProtocol

/// A pod's root file system: the userland disk, and over it a layer in RAM for what the pod's specification and
/// programs write.
struct PodRoot: Sendable {
    private static let base = "/run/labrun/pods"
    /// How much RAM the files that a pod writes may take.
    private static let size = "32m"

    let directory: String

    init(_ pod: PodReference) { directory = "\(Self.base)/\(pod.namespace)_\(pod.name)" }

    /// The directory that becomes the root of the pod's containers.
    var path: String { directory + "/root" }
    private var layer: String { directory + "/layer" }

    /// Mounts the root and writes the files of the pod's specification.
    /// - Throws: `SystemError`; `NodeFailure` for a file's path that is not absolute or leaves the root.
    func make(_ spec: PodSpec, address: String) throws {
        remove()
        try Directories.make(layer)
        try mountFilesystem("tmpfs", on: layer, type: "tmpfs", options: "mode=0755,size=\(Self.size)")
        for part in ["/upper", "/work"] { try Directories.make(layer + part) }
        try Directories.make(path)
        try mountFilesystem(
            "overlay", on: path, type: "overlay",
            options: "lowerdir=\(UserlandDisk.mountPoint),upperdir=\(layer)/upper,workdir=\(layer)/work")
        for (place, text) in Self.files(of: spec, address: address) {
            let parts = place.split(separator: "/", omittingEmptySubsequences: true)
            guard place.hasPrefix("/"), !parts.isEmpty, !parts.contains(".."), !parts.contains(".") else {
                throw NodeFailure(code: "bad-request", message: "\(spec.namespace)/\(spec.name): file \(place)")
            }
            try Directories.make(path + "/" + parts.dropLast().joined(separator: "/"))
            try writeTextFile(path + "/" + parts.joined(separator: "/"), text)
        }
    }

    static func files(of spec: PodSpec, address: String) -> [(path: String, text: String)] {
        let hosts = ["127.0.0.1 localhost", "\(address) \(spec.name)"] + spec.hosts
        let own = [
            ("/etc/resolv.conf", spec.resolver), ("/etc/hosts", hosts.map { $0 + "\n" }.joined()),
            ("/etc/hostname", spec.name + "\n"),
        ]
        return own + spec.files.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    func remove() {
        for place in [path, layer] {
            try? unmountFilesystem(place, lazily: true)
            rmdir(place)
        }
        rmdir(directory)
    }
}
