import Digest
import Foundation
import Glibc
import LinuxKernel
import Synchronization

@testable import NodeImage

/// A directory that is removed with the last reference to it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "labrun-image-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Keeps in memory what is written.
final class MemorySink: ByteSink {
    private(set) var bytes: [UInt8] = []

    func write(_ data: UnsafeRawBufferPointer) { bytes.append(contentsOf: data) }
    func finish() {}
}

/// A disk of limited size, which holds this number of bytes in all files together.
final class SmallDisk: Sendable {
    private let free: Mutex<Int>

    init(bytes: Int) { free = Mutex(bytes) }

    func take(_ bytes: Int, _ path: String) throws {
        let left = free.withLock { free in
            free -= bytes
            return free
        }
        if left < 0 {
            throw ImageError.cache(SystemError(code: ENOSPC, call: "write", subject: path), "writing \(path)")
        }
    }

    final class Sink: ByteSink {
        private let disk: SmallDisk
        private let file: FileSink
        private let path: String

        init(_ path: String, on disk: SmallDisk) throws {
            self.disk = disk
            self.path = path
            file = try FileSink(path)
        }

        func write(_ data: UnsafeRawBufferPointer) throws {
            try disk.take(data.count, path)
            try file.write(data)
        }

        func finish() throws { try file.finish() }
    }
}

/// An archive with small packages of the same form as Debian's, which dpkg-deb makes on the spot.
final class FakeArchive: DebianPackageSource {
    enum Mode { case working, offline, corrupt }
    struct State {
        var mode = Mode.working
        /// What the compiler in its packages does.
        var compiler = FakeCompiler.working
        /// Whether tarballs of sources arrive with another byte than they were made with.
        var damagesSources = false
        var revision = 1
        var asked = 0
    }

    let state = Mutex(State())
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var asked: Int { state.withLock { $0.asked } }

    func resolve(_ series: KernelSeries, scratch: String) async throws -> ResolvedKernel {
        let (mode, revision) = state.withLock { state in
            state.asked += 1
            return (state.mode, state.revision)
        }
        if mode == .offline { throw ImageError(.downloadFailed, "no network") }
        let release = "\(series.rawValue).0-\(revision)-cloud-amd64"
        let deb = try await package(release, version: "\(series.rawValue).9-\(revision)")
        let bytes = try Data(contentsOf: URL(filePath: deb))
        let package = DebianPackage(
            name: "linux-image-\(release)", version: "\(series.rawValue).9-\(revision)",
            sha256: SHA256Digest.hex(of: bytes), bytes: bytes.count)
        return ResolvedKernel(series: series, release: release, version: package.version, packages: [package])
    }

    func resolve(_ userland: UserlandRecipe, scratch: String) async throws -> ResolvedUserland {
        let mode = state.withLock { state in
            state.asked += 1
            return state.mode
        }
        if mode == .offline { throw ImageError(.downloadFailed, "no network") }
        let known = ["busybox", "cowsay", "fortune"]
        let unknown = userland.wanted.filter { !known.contains($0) }
        guard unknown.isEmpty else {
            throw UnknownPackages(suite: userland.suite, names: unknown, known: known)
        }
        var packages = [try await busybox()]
        for name in userland.added?.packages ?? [] { packages.append(try await program(name)) }
        return ResolvedUserland(recipe: userland, packages: packages.sorted { $0.name < $1.name })
    }

    /// A package with one program.
    private func program(_ name: String) async throws -> DebianPackage {
        let deb = "\(directory.path)/\(name).deb"
        if !FileManager.default.fileExists(atPath: deb) {
            let control = """
                Package: \(name)
                Version: 3.03
                Architecture: all
                Maintainer: Nobody <nobody@example.org>
                Description: a program

                """
            try await build(
                ["DEBIAN/control": control, "usr/games/\(name)": "program"], root: "\(directory.path)/\(name)",
                deb: deb)
        }
        let bytes = try Data(contentsOf: URL(filePath: deb))
        return DebianPackage(name: name, version: "3.03", sha256: SHA256Digest.hex(of: bytes), bytes: bytes.count)
    }

    private func busybox() async throws -> DebianPackage {
        let deb = "\(directory.path)/busybox.deb"
        if !FileManager.default.fileExists(atPath: deb) {
            try await build(
                [
                    "DEBIAN/control": """
                    Package: busybox
                    Version: 1:1.35
                    Architecture: amd64
                    Maintainer: Nobody <nobody@example.org>
                    Description: a program's shape

                    """, "bin/busybox": "program", "usr/share/doc/busybox/copyright": "text",
                ], root: "\(directory.path)/busybox", deb: deb)
        }
        let bytes = try Data(contentsOf: URL(filePath: deb))
        return DebianPackage(
            name: "busybox", version: "1:1.35", sha256: SHA256Digest.hex(of: bytes), bytes: bytes.count)
    }

    func build(_ files: [String: String], root: String, deb: String) async throws {
        try write(files, below: root)
        // With a date of its own, dpkg-deb makes the same bytes every time.
        let words = ["SOURCE_DATE_EPOCH=0", "dpkg-deb", "--build", "--root-owner-group", root, deb]
        try await BuildTool.run("env", words)
    }

    /// Writes files, as path → text. Programs can be executed.
    func write(_ files: [String: String], below root: String) throws {
        for (path, text) in files {
            let place = "\(root)/\(path)"
            try FileManager.default.createDirectory(
                atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: place))
            if text.hasPrefix("#!") { chmod(place, 0o755) }
        }
    }

    func download(_ packages: [DebianPackage], scratch: String) async throws -> [String] {
        try packages.map { package in
            let prefix = "linux-image-"
            let file = package.name.hasPrefix(prefix) ? String(package.name.dropFirst(prefix.count)) : package.name
            var data = try Data(contentsOf: URL(filePath: "\(directory.path)/\(file).deb"))
            if state.withLock({ $0.mode }) == .corrupt { data[data.count / 2] ^= 1 }
            let path = "\(scratch)/\(package.name)_\(package.version)_amd64.deb"
            try data.write(to: URL(filePath: path))
            return path
        }
    }

    private func package(_ release: String, version: String) async throws -> String {
        let deb = "\(directory.path)/\(release).deb"
        if FileManager.default.fileExists(atPath: deb) { return deb }
        let root = "\(directory.path)/\(release)"
        let control = """
            Package: linux-image-\(release)
            Version: \(version)
            Architecture: amd64
            Maintainer: Nobody <nobody@example.org>
            Description: a kernel's shape

            """
        var files = ["DEBIAN/control": control, "boot/vmlinuz-\(release)": "kernel \(release)"]
        let modules = "lib/modules/\(release)"
        var dependencies = ""
        for name in ImageRecipe.standardModules + ImageRecipe.standardModulesOnDemand where name != "virtio_pci" {
            files["\(modules)/kernel/\(name).ko"] = "module \(name) of \(release)"
            dependencies += "kernel/\(name).ko:\(name == "vxlan" ? " kernel/udp_tunnel.ko" : "")\n"
        }
        files["\(modules)/kernel/udp_tunnel.ko"] = "tunnel"
        files["\(modules)/modules.dep"] = dependencies + "kernel/udp_tunnel.ko:\n"
        files["\(modules)/modules.alias"] = "alias nft-expr-masq nft_masq\nalias fs-other other\n"
        files["\(modules)/modules.builtin"] = "kernel/drivers/virtio/virtio_pci.ko\n"
        try await build(files, root: root, deb: deb)
        return deb
    }
}

/// A store with a directory and an archive of its own, and with files in place of the guest binaries.
struct StoreFixture {
    let directory: TemporaryDirectory
    let archive: FakeArchive

    init() throws {
        directory = try TemporaryDirectory()
        archive = try FakeArchive()
        try FileManager.default.createDirectory(atPath: guest, withIntermediateDirectories: true)
        try writeGuest(labnode: "labnode 1")
    }

    var guest: String { directory.path + "/guest" }
    var cachePath: String { directory.path + "/cache" }

    func writeGuest(labnode: String) throws {
        try Data(labnode.utf8).write(to: URL(filePath: guest + "/labnode"))
        try Data("datapathd".utf8).write(to: URL(filePath: guest + "/datapathd"))
        try Data("labverify".utf8).write(to: URL(filePath: guest + "/labverify"))
    }

    func store(disk: SmallDisk? = nil, cache: String? = nil) -> ImageStore {
        ImageStore(
            cache: cache ?? cachePath, guestDirectories: [guest], source: archive,
            makeSink: { path in
                if let disk { try SmallDisk.Sink(path, on: disk) } else { try FileSink(path) }
            })
    }

    /// The paths of all files below the cache, except the lock.
    func files() -> [String] {
        let names = FileManager.default.enumerator(atPath: cachePath)?.allObjects as? [String] ?? []
        return names.filter { name in
            var isDirectory: ObjCBool = false
            let isThere = FileManager.default.fileExists(atPath: "\(cachePath)/\(name)", isDirectory: &isDirectory)
            return isThere && !isDirectory.boolValue && name != "lock"
        }.sorted()
    }
}
