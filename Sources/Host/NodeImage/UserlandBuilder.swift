import Foundation
import Glibc
import LinuxKernel

/// Makes the disk from Debian packages. It unpacks them without root, and packs everything as owned by root and dated
/// 1970.
struct UserlandBuilder {
    let userland: ResolvedUserland
    /// The user's own binaries, whose digests the recipe has.
    let binaries: [UserlandAdditions.Binary]

    /// Unpacks `debs`, in the order of the packages, below `scratch` and writes the disk to `path`.
    func build(debs: [String], scratch: String, path: String) async throws {
        let root = scratch + "/userland"
        try ImageCache.makeDirectory(root)
        for deb in debs { try await BuildTool.run("dpkg-deb", ["-x", deb, root]) }
        for place in userland.recipe.removed { try ImageCache.remove("\(root)/\(place)") }
        try addDirectories(root)
        for (place, text) in UserlandRecipe.files {
            try write(text, to: "\(root)/\(place)")
        }
        try addBinaries(root)
        try addLinks(root)
        // With mksquashfs's defaults the bytes are the same every time. lz4 decompresses fastest, and an emulated node
        // decompresses what it runs.
        try await BuildTool.run(
            "mksquashfs",
            [
                root, path, "-noappend", "-reproducible", "-all-root", "-mkfs-time", "0", "-all-time", "0",
                "-no-xattrs",
                "-no-exports", "-comp", "lz4", "-Xhc", "-b", "65536", "-quiet", "-no-progress",
            ])
        try ImageCache.sync(path)
    }

    private func addDirectories(_ root: String) throws {
        for (place, mode) in UserlandRecipe.directories {
            try ImageCache.makeDirectory("\(root)/\(place)")
            try setMode("\(root)/\(place)", mode)
        }
    }

    /// Copies the user's binaries, as long as they are what the disk is named by.
    private func addBinaries(_ root: String) throws {
        if binaries.isEmpty { return }
        let folder = "\(root)/\(UserlandAdditions.folder)"
        try ImageCache.makeDirectory(folder)
        for place in [folder, "\(root)/usr/local"] { try setMode(place, 0o755) }
        let digests = userland.recipe.added?.binaries ?? []
        for binary in binaries {
            let path = "\(folder)/\(binary.name)"
            // A package's program of the same name goes, be it a link to somewhere else.
            try ImageCache.remove(path)
            let sink = DigestingSink(try FileSink(path, mode: 0o755))
            try FileSource.read(binary.path) { try sink.write($0) }
            try sink.finish()
            guard digests.contains(.init(name: binary.name, sha256: sink.sha256)) else {
                throw ImageError(
                    .packagesUnusable, "\(binary.path) has changed while the disk was made", mend: "run it again")
            }
            try setMode(path, 0o755)
        }
    }

    private func setMode(_ path: String, _ mode: mode_t) throws {
        do throws(SystemError) {
            try check("chmod", path) { chmod(path, mode) }
        } catch {
            throw ImageError.cache(error, "making the userland's files")
        }
    }

    private func addLinks(_ root: String) throws {
        guard exists("\(root)/bin/busybox") || exists("\(root)/usr/bin/busybox") else {
            throw ImageError(.packagesUnusable, "package busybox has no bin/busybox")
        }
        let places = ["bin", "sbin", "usr/bin", "usr/sbin"]
        for applet in userland.recipe.applets {
            if places.contains(where: { exists("\(root)/\($0)/\(applet)") }) { continue }
            try link("\(root)/usr/bin/\(applet)", to: "/bin/busybox")
        }
        if !exists("\(root)/bin/sh") { try link("\(root)/bin/sh", to: "busybox") }
        for (place, target) in userland.recipe.links {
            let directory = (place as NSString).deletingLastPathComponent
            guard exists("\(root)/\(directory)/\(target)") else {
                throw ImageError(.packagesUnusable, "the packages have no \(directory)/\(target)")
            }
            if !exists("\(root)/\(place)") { try link("\(root)/\(place)", to: target) }
        }
    }

    private func link(_ path: String, to target: String) throws {
        do throws(SystemError) {
            try check("symlink", path) { symlink(target, path) }
        } catch {
            throw ImageError.cache(error, "making the userland's links")
        }
    }

    private func write(_ text: String, to path: String) throws {
        try ImageCache.makeDirectory((path as NSString).deletingLastPathComponent)
        let sink = try FileSink(path)
        try sink.write(text)
        try sink.finish()
    }

    /// Whether there is something at the path, even a link whose target is missing.
    private func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }
}
