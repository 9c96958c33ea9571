import Foundation
import Glibc
import Synchronization

/// Compiles the kubelet and packs it with containerd and runc.
struct KubeletDiskBuilder {
    let resolved: ResolvedKubeletDisk
    /// The file of each package, and of each of the source's tarballs, by SHA-256.
    let file: @Sendable (_ sha256: String) -> String
    /// An empty folder for all that is needed while building.
    let work: String
    /// Where compiled packages are kept; nil for a folder of the build.
    var compiled: String?
    /// It is called when a step begins, and for every hundredth package that is compiled.
    let progress: @Sendable (KubeletDiskStep) -> Void

    /// Writes the disk to `path`, synced.
    ///
    /// - Throws: ``ImageError`` or `CancellationError`; what it left is of no use then.
    func build(to path: String) async throws {
        let sources = KubernetesSources(resolved: resolved.build, file: file, work: work, compiled: compiled)
        progress(.unpack)
        try await sources.prepare()
        let root = work + "/root"
        try ImageCache.makeDirectory(root + "/usr/bin")
        for name in resolved.recipe.packages {
            let package = try resolved.build.package(name)
            try await BuildTool.run("dpkg-deb", ["-x", file(package.sha256), root])
        }
        for place in resolved.recipe.removed { try ImageCache.remove("\(root)/\(place)") }
        try await compile(sources, to: root + "/usr/bin/kubelet")
        progress(.pack)
        for program in ["usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/sbin/runc"]
        where ImageCache.size(of: "\(root)/\(program)") == nil {
            throw ImageError(.packagesUnusable, "the packages of the kubelet's disk have no \(program)")
        }
        // zstd makes it a fifth smaller than lz4 would, and nodes read no more than a part of it.
        try await BuildTool.run(
            "mksquashfs",
            [
                root, path, "-noappend", "-reproducible", "-all-root", "-mkfs-time", "0", "-all-time", "0",
                "-no-xattrs", "-no-exports", "-comp", "zstd", "-b", "131072", "-quiet", "-no-progress",
            ])
        try ImageCache.sync(path)
    }

    private func compile(_ sources: KubernetesSources, to path: String) async throws {
        let progress = progress
        progress(.compile(done: 0))
        let recipe = resolved.recipe.build
        let count = PackageCount()
        try await sources.toolchain.build([
            "-tags", recipe.tags.joined(separator: ","), "-ldflags", recipe.linkerFlags, "-o", path,
            KubeletDiskRecipe.program,
        ]) { _ in
            let number = count.next()
            guard number % 100 == 0 else { return }
            progress(.compile(done: min(0.98, Double(number) / Double(KubeletDiskRecipe.compiledPackages))))
        }
        guard chmod(path, 0o755) == 0 else {
            throw ImageError(.toolFailed, "the compiler has left no kubelet")
        }
    }
}

/// A part of the build of a kubelet's disk.
public enum KubeletDiskStep: Sendable, Equatable, CustomStringConvertible {
    case unpack
    /// From 0 to 1.
    case compile(done: Double)
    case pack

    public var description: String {
        switch self {
        case .unpack: "unpacking the sources and the compiler"
        case .compile(let done): "compiling the kubelet: \(Int(done * 100)) %"
        case .pack: "packing the disk"
        }
    }
}

/// Counts from any thread.
private final class PackageCount: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
