import Files
import Foundation
import LinuxKernel

/// The directory that the embedded driver takes for `/`: its configuration, state, sockets and logs.
public struct EmbedRoot: Sendable, Hashable {
    /// An absolute path. Keep it short, as the path of a socket below it may have at most 108 bytes.
    public let path: String
    /// The directory that keeps QEMU's probed capabilities between runs. Labs that run at the same time share it. `nil`
    /// keeps nothing.
    public let sharedCache: String?

    public init(path: String, sharedCache: String?) {
        self.path = path
        self.sharedCache = sharedCache
    }

    /// Removes the state of an earlier lab, writes the driver's configuration, and copies the known capabilities.
    func prepare() throws {
        let files = FileManager.default
        for stale in ["run", "lib", "user"] {
            let path = path + "/" + stale
            if files.fileExists(atPath: path) { try files.removeItem(atPath: path) }
        }
        try files.createDirectory(atPath: path + "/etc", withIntermediateDirectories: true)
        try files.createDirectory(atPath: userState, withIntermediateDirectories: true)
        try Self.configuration.write(toFile: path + "/etc/qemu.conf", atomically: false, encoding: .utf8)
        try files.createDirectory(atPath: capabilities, withIntermediateDirectories: true)
        guard let sharedCache, files.fileExists(atPath: sharedCache) else { return }
        let lock = try FileLock(path: sharedCache + "/.lock", mode: .shared)
        for name in Self.documents(in: sharedCache) {
            let target = capabilities + "/" + name
            if files.fileExists(atPath: target) { try files.removeItem(atPath: target) }
            try files.copyItem(atPath: sharedCache + "/" + name, toPath: target)
        }
        _ = consume lock
    }

    /// Publishes capabilities that the driver has probed for later labs. libvirt rewrites its files in place, so labs
    /// do not share a directory: each has a copy, which is published as a whole by a rename. A failure costs the next
    /// lab a second, so it is ignored.
    func publishCapabilities() {
        guard let sharedCache else { return }
        let files = FileManager.default
        do {
            let fresh = Self.documents(in: capabilities).filter { name in
                !files.contentsEqual(atPath: capabilities + "/" + name, andPath: sharedCache + "/" + name)
            }
            guard !fresh.isEmpty else { return }
            try files.createDirectory(atPath: sharedCache, withIntermediateDirectories: true)
            let lock = try FileLock(path: sharedCache + "/.lock")
            for name in fresh {
                let content = try Data(contentsOf: URL(fileURLWithPath: capabilities + "/" + name))
                try AtomicFile.write(content, to: sharedCache + "/" + name)
            }
            _ = consume lock
        } catch {
            return
        }
    }

    /// Reads the process id from the driver's pid file.
    func processIdentifier(ofDomain name: String) -> Int32? {
        guard let text = try? String(contentsOfFile: "\(path)/run/qemu/\(name).pid", encoding: .utf8) else {
            return nil
        }
        return Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Takes the place of the user's runtime directory.
    var userState: String { path + "/user" }

    private var capabilities: String { path + "/cache/qemu/capabilities" }

    private static func documents(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { $0.hasSuffix(".xml") }
    }

    /// The default `stdio_handler`, virtlogd, would start a daemon outside of the namespaces. The other settings switch
    /// off what the machines of a single unprivileged user do not need.
    static let configuration = """
        stdio_handler = "file"
        namespaces = [ ]
        cgroup_controllers = [ ]
        remember_owner = 0
        dump_guest_core = 0

        """
}
