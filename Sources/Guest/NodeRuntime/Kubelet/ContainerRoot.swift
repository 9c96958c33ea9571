import Files
import Glibc
import Kubelet
import LinuxKernel

/// A container's root file system: the userland disk under a layer in RAM of its own.
struct ContainerRoot: Sendable {
    /// How much RAM the files that a container writes may take.
    private static let size = "32m"
    private static let messageLimit = 4096

    let directory: String

    init(_ container: ContainerIdentity) {
        directory = "\(PodFolders.path(container.pod))/containers/\(container.name)-\(container.id.prefix(12))"
    }

    /// The directory that becomes `/` of the container.
    var path: String { directory + "/root" }
    private var layer: String { directory + "/layer" }
    /// The file that the container sees as its termination message.
    var message: String { directory + "/message" }

    /// Mounts the root and writes the files that every container has.
    func make(resolver: String, hosts: String, hostname: String) throws {
        remove()
        try Directories.make(layer)
        try mountFilesystem("tmpfs", on: layer, type: "tmpfs", options: "mode=0755,size=\(Self.size)")
        for part in ["/upper", "/work", "/upper/etc"] { try Directories.make(layer + part) }
        // What lies in the layer before the mount is there in the root, as if it had been copied up.
        try writeTextFile(layer + "/upper/etc/resolv.conf", resolver)
        try writeTextFile(layer + "/upper/etc/hosts", hosts)
        try writeTextFile(layer + "/upper/etc/hostname", hostname + "\n")
        try Directories.make(path)
        try mountFilesystem(
            "overlay", on: path, type: "overlay",
            options: "lowerdir=\(UserlandDisk.mountPoint),upperdir=\(layer)/upper,workdir=\(layer)/work")
        try writeTextFile(message, "")
    }

    /// What the container wrote as its termination message.
    var terminationMessage: String {
        guard let file = try? FileDescriptor.open(message, O_RDONLY),
            let bytes = try? file.read(upTo: Self.messageLimit)
        else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    func remove() {
        for place in [path, layer] {
            try? unmountFilesystem(place, lazily: true)
            rmdir(place)
        }
        unlink(message)
        rmdir(directory)
    }
}

/// Where a pod's volumes and containers have their files.
enum PodFolders {
    static let base = "/run/labrun/kubelet/pods"
    static func path(_ pod: PodIdentity) -> String { "\(base)/\(pod.uid)" }
    static func volumes(_ pod: PodIdentity) -> String { path(pod) + "/volumes" }
}
