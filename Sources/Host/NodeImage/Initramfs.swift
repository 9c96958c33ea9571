import Digest
import Foundation

/// The node's root file system: `labnode` as `/init`, the datapath agent, which is also the CNI plugin, and the kernel
/// modules.
struct Initramfs {
    let release: String
    /// The modules that the node loads at boot, in this order.
    let modules: [KernelTree.Module]
    /// The modules that are in the node and are loaded when the kernel asks for them.
    var modulesOnDemand: [KernelTree.Module] = []
    /// The content of `etc/labrun/modules.demand`.
    var demandIndex = ""
    /// The host directory that holds the modules by their paths.
    let modulesDirectory: String
    let guest: GuestBinaries
    /// The image's digest. The node has it as `/etc/labrun/image`.
    let imageDigest: String

    /// Directories that are not the parent of a file: mount points, and places that programs write to.
    private static let directories = [
        "dev", "etc/cni/net.d", "proc", "root", "run/labrun", "sys", "usr/sbin", "var/lib/labrun", "var/log",
    ]

    /// Writes the archive. The same input gives the same bytes. The caller finishes the sink.
    func write(to sink: any ByteSink) throws {
        var archive = CPIOArchive(to: sink)
        let entries = try self.entries()
        for path in entries.keys.sorted() {
            if let content = entries[path] { try archive.add(path, content) }
        }
        try archive.finish()
    }

    /// Returns every entry by its path, including parent directories. Sorted by path, a parent comes before its
    /// children.
    func entries() throws -> [String: CPIOArchive.Content] {
        let base = "lib/modules/\(release)/"
        var entries: [String: CPIOArchive.Content] = [
            "init": copy(of: guest.labnode),
            // When one binary is both programs, this is a link, so that the node's memory holds it once.
            "usr/bin/datapathd": guest.datapathd.sha256 == guest.labnode.sha256
                ? .symbolicLink(to: "/init") : copy(of: guest.datapathd),
            "usr/bin/labnode": .symbolicLink(to: "/init"),
            "usr/bin/labrun-container": .symbolicLink(to: "/init"),
            // The kernel runs it by this name, see request_module in the kernel's `kernel/module/kmod.c`.
            "usr/sbin/modprobe": .symbolicLink(to: "/init"),
            "opt/cni/bin/labrun-cni": .symbolicLink(to: "/usr/bin/datapathd"),
            // Plugins that a cloud brings along (`NodePlugins`).
            "opt/cni/bin/labrun-eni": .symbolicLink(to: "/init"),
            "opt/cni/bin/labrun-ptp": .symbolicLink(to: "/init"),
            "bin": .symbolicLink(to: "usr/bin"),
            "sbin": .symbolicLink(to: "usr/sbin"),
            "var/run": .symbolicLink(to: "/run"),
            // A static Swift binary asks for its own path before main, and aborts without an answer. This link answers
            // until /proc is mounted over it.
            "proc/self/exe": .symbolicLink(to: "/init"),
            "tmp": .directory(mode: 0o1777),
            "dev/console": .characterDevice(major: 5, minor: 1, mode: 0o600),
            "dev/null": .characterDevice(major: 1, minor: 3, mode: 0o666),
            "etc/labrun/image": .bytes(Array((imageDigest + "\n").utf8)),
            "etc/labrun/modules.demand": .bytes(Array(demandIndex.utf8)),
            "etc/labrun/modules": .bytes(Array(modules.map { "/\(base)\($0.path)\n" }.joined().utf8)),
        ]
        if let labverify = guest.labverify { entries["usr/bin/labverify"] = copy(of: labverify) }
        for module in modules + modulesOnDemand {
            let file = GuestBinaries.Binary(
                path: "\(modulesDirectory)/\(module.path)", bytes: module.bytes, sha256: module.sha256)
            entries[base + module.path] = copy(of: file, mode: 0o644)
        }
        for directory in Self.directories { entries[directory] = .directory() }
        for path in entries.keys {
            var parent = path
            while let slash = parent.lastIndex(of: "/") {
                parent = String(parent[..<slash])
                if entries[parent] == nil { entries[parent] = .directory() }
            }
        }
        return entries
    }

    /// The content of a host file. It must still be what was hashed for the digest of the image.
    private func copy(of file: GuestBinaries.Binary, mode: UInt32 = 0o755) -> CPIOArchive.Content {
        .file(bytes: file.bytes, mode: mode) { sink in
            var digest = SHA256Digest()
            try FileSource.read(file.path) { piece in
                digest.update(piece)
                try sink.write(piece)
            }
            guard digest.hex() == file.sha256 else {
                throw ImageError(.cacheUnusable, "\(file.path) changed while the image was built", mend: "run it again")
            }
        }
    }
}
