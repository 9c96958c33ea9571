import Digest
import Foundation
import Glibc
import LinuxKernel

/// The cache directory: what lies where, and how something complete gets there.
///
///     lock                     held by the one build or prune at a time
///     resolved/<series>.json   which kernel packages a series stood for when it was last looked up
///     debs/<sha256>.deb        packages as downloaded
///     kernels/<digest>/        kernel, modules of one set of packages
///     resolved/userland.json   which packages the userland stood for
///     resolved/userland-<digest>.json   the same with what a user adds, by the names of all that is added
///     images/<digest>/         kernel, initrd, manifest.json
///     userlands/<digest>/      userland.squashfs, manifest.json
///     resolved/control-plane.json   which source and packages the control plane stood for
///     debs/<sha256>.source     tarballs of source packages as downloaded
///     resolved/kubelet-disk.json    which source and packages a kubelet's disk stood for
///     kubelet-disks/<digest>/  kubelet.squashfs, manifest.json
///     control-planes/<digest>/ the servers of labs, etcd, kubectl, manifest.json
///     tmp/                     work in progress; whatever is there without the lock held is a leftover
struct ImageCache: Sendable {
    let root: String

    var lockFile: String { root + "/lock" }
    var debs: String { root + "/debs" }
    var kernels: String { root + "/kernels" }
    var images: String { root + "/images" }
    var userlands: String { root + "/userlands" }
    var controlPlanes: String { root + "/control-planes" }
    var kubeletDisks: String { root + "/kubelet-disks" }
    var resolvedKubeletDisk: String { root + "/resolved/kubelet-disk.json" }
    var scratch: String { root + "/tmp" }
    var resolvedControlPlane: String { root + "/resolved/control-plane.json" }

    func resolvedUserland(_ recipe: UserlandRecipe) -> String {
        guard let added = recipe.added else { return root + "/resolved/userland.json" }
        let names = added.packages.map { "package \($0)" } + added.binaries.map { "binary \($0.name)" }
        let digest = SHA256Digest.hex(of: Array(names.joined(separator: "\n").utf8))
        return "\(root)/resolved/userland-\(digest.prefix(16)).json"
    }

    /// The paths of what every userland stood for, sorted.
    func resolvedUserlands() throws -> [String] {
        try Self.names(in: root + "/resolved").filter { $0.hasPrefix("userland") && $0.hasSuffix(".json") }
            .map { "\(root)/resolved/\($0)" }
    }

    func resolved(_ series: KernelSeries) -> String { "\(root)/resolved/\(series.rawValue).json" }
    func deb(_ package: DebianPackage) -> String { "\(debs)/\(package.sha256).deb" }
    func kernel(_ digest: String) -> String { "\(kernels)/\(digest)" }
    func userland(_ digest: String) -> String { "\(userlands)/\(digest)" }
    func image(_ digest: String) -> String { "\(images)/\(digest)" }
    func source(_ file: DebianSourceFile) -> String { "\(debs)/\(file.sha256).source" }
    func kubeletDisk(_ digest: String) -> String { "\(kubeletDisks)/\(digest)" }
    func controlPlane(_ digest: String) -> String { "\(controlPlanes)/\(digest)" }

    func makeDirectories() throws {
        let places = [root, root + "/resolved", debs, kernels, images, userlands, controlPlanes, kubeletDisks, scratch]
        for directory in places {
            try Self.makeDirectory(directory)
        }
    }

    /// Makes a new empty directory on the same file system, so that its content can be published by a rename.
    func makeScratch() throws -> String {
        let path = "\(scratch)/\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try Self.makeDirectory(path)
        return path
    }

    /// Removes what killed builds left behind. The caller holds the lock.
    func clearScratch(keeping kept: String? = nil) throws {
        for name in try Self.names(in: scratch) where "\(scratch)/\(name)" != kept {
            try Self.remove("\(scratch)/\(name)")
        }
    }

    /// Moves a finished directory or file of the scratch area to its place, atomically and durably.
    ///
    /// Whoever wrote the files has synced them, and this function syncs the directories. If the place holds a directory
    /// of an earlier, unusable build, that one is moved away first.
    func publish(_ finished: String, as path: String) throws {
        let parent = (path as NSString).deletingLastPathComponent
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: finished, isDirectory: &isDirectory), isDirectory.boolValue {
            try Self.sync(finished)
            if FileManager.default.fileExists(atPath: path) {
                try Self.rename(path, finished + ".replaced")
            }
        }
        try Self.rename(finished, path)
        try Self.sync(parent)
    }

    /// Writes a small file in one step. At any moment either the old or the new content is there as a whole.
    func writeAtomically(_ data: Data, to path: String, makeSink: SinkFactory) throws {
        let temporary = "\(scratch)/\(getpid())-\(UInt32.random(in: 0 ... .max)).json"
        do {
            let sink = try makeSink(temporary)
            try data.withUnsafeBytes { try sink.write($0) }
            try sink.finish()
            try publish(temporary, as: path)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    // MARK: Steps on files, each with its own error

    static func makeDirectory(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch let error as CocoaError {
            let posix = (error.userInfo[NSUnderlyingErrorKey] as? POSIXError)?.code.rawValue
            let fallback = error.code == .fileWriteOutOfSpace ? ENOSPC : ENOTDIR
            throw ImageError.cache(
                SystemError(code: posix ?? fallback, call: "mkdir", subject: path), "making the directory \(path)")
        }
    }

    /// Returns the names in a directory, sorted. A missing directory has none.
    static func names(in directory: String) throws -> [String] {
        guard FileManager.default.fileExists(atPath: directory) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    static func remove(_ path: String) throws {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch let error as CocoaError where error.code == .fileNoSuchFile {
            return
        } catch {
            throw ImageError(.cacheUnusable, "\(path) could not be removed", cause: error)
        }
    }

    static func rename(_ from: String, _ to: String) throws(ImageError) {
        do throws(SystemError) {
            try check("rename", to) { Glibc.rename(from, to) }
        } catch {
            throw .cache(error, "publishing \(to)")
        }
    }

    static func sync(_ path: String) throws(ImageError) {
        do throws(SystemError) {
            let descriptor = try check("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
            defer { close(descriptor) }
            try check("fsync", path) { fsync(descriptor) }
        } catch {
            throw .cache(error, "syncing \(path)")
        }
    }

    /// Returns the size in bytes, or nil if there is no such file.
    static func size(of path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }
}

/// Opens a new file for writing.
typealias SinkFactory = @Sendable (_ path: String) throws -> any ByteSink
