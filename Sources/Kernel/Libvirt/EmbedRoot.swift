import Foundation
import LinuxKernel

/// The directory that stands for `/` in the embedded driver: its configuration, state, sockets and logs.
public struct EmbedRoot: Sendable, Hashable {
    /// Absolute; keep it short: sockets below it have 108 bytes for everything.
    public let path: String
    /// Directory that keeps QEMU's probed capabilities between runs; shared by concurrent labs. `nil` keeps nothing.
    public let sharedCache: String?

    public init(path: String, sharedCache: String?) {
        self.path = path
        self.sharedCache = sharedCache
    }

    /// Removes a previous lab's state, writes the driver's configuration, and brings the known capabilities.
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

    /// Gives capabilities that the driver probed anew to later labs. libvirt rewrites its files in place, so labs do
    /// not share a directory: each has a copy, published whole by rename. A failure costs the next lab a second, so it
    /// is ignored.
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
                try content.write(to: URL(fileURLWithPath: sharedCache + "/" + name), options: .atomic)
            }
            _ = consume lock
        } catch {
            return
        }
    }

    /// From the driver's pid file.
    func processIdentifier(ofDomain name: String) -> Int32? {
        guard let text = try? String(contentsOfFile: "\(path)/run/qemu/\(name).pid", encoding: .utf8) else {
            return nil
        }
        return Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Stands for the user's runtime directory.
    var userState: String { path + "/user" }

    private var capabilities: String { path + "/cache/qemu/capabilities" }

    private static func documents(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { $0.hasSuffix(".xml") }
    }

    /// `stdio_handler`: the default, virtlogd, would start a daemon outside the namespaces. The rest spares what a
    /// single unprivileged user's machines do not need.
    static let configuration = """
        stdio_handler = "file"
        namespaces = [ ]
        cgroup_controllers = [ ]
        remember_owner = 0
        dump_guest_core = 0

        """
}
