import Digest
import Foundation
import LinuxKernel

/// Node images, built once for each set of inputs and kept in a cache directory.
///
/// An image is named by a digest of its inputs: the kernel packages with their SHA-256, the guest binaries, the list of
/// modules and the version of the recipe. An image in the cache is always complete, because it gets there by a rename.
/// Builds of several processes wait for each other.
public struct ImageStore: Sendable {
    /// A function that is told the steps of a build. It is called on whatever thread the build runs on.
    public typealias Progress = @Sendable (ImageProgress) -> Void

    let cache: ImageCache
    let guestDirectories: [String]
    let source: any DebianPackageSource
    let makeSink: SinkFactory
    /// Whether packages that a build of the control plane compiles stay in the scratch area until a build of the
    /// kubelet's disk has used them, which has most of them in common and then takes a fifth of its time. Every other
    /// build takes them away.
    public var keepsCompiledPackages = false

    /// The folder of compiled packages; nil where each build has its own.
    var compiledPackages: String? { keepsCompiledPackages ? cache.scratch + "/compiled" : nil }

    /// - Parameters:
    ///   - cacheDirectory: The cache. If it is nil, it is `$XDG_CACHE_HOME/labrun` or `~/.cache/labrun`.
    ///   - guestDirectory: The directory with the stripped `labnode` and `datapathd`. If it is nil:
    ///     `$LABRUN_GUEST_DIR`, `guest/` next to the running executable, or `../libexec/labrun/` from it.
    public init(cacheDirectory: String? = nil, guestDirectory: String? = nil) {
        let environment = ProcessInfo.processInfo.environment
        let mirror = environment["LABRUN_DEBIAN_MIRROR"].flatMap { $0.isEmpty ? nil : $0 }
        self.init(
            cache: cacheDirectory ?? Self.standardCacheDirectory(environment),
            guestDirectories: guestDirectory.map { [$0] }
                ?? Self.standardGuestDirectories,
            source: DebianArchive(mirror: mirror), makeSink: { try FileSink($0) })
    }

    init(
        cache: String, guestDirectories: [String], source: any DebianPackageSource, makeSink: @escaping SinkFactory
    ) {
        self.cache = ImageCache(root: cache)
        self.guestDirectories = guestDirectories
        self.source = source
        self.makeSink = makeSink
    }

    /// The directory of the cache.
    public var cacheDirectory: String { cache.root }

    /// The directories that are searched for `labnode` and `datapathd` when none is named. The first match wins.
    public static var standardGuestDirectories: [String] {
        let executable = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return GuestBinaries.searchPath(environment: ProcessInfo.processInfo.environment, executable: executable)
    }

    static func standardCacheDirectory(_ environment: [String: String]) -> String {
        // The XDG specification: a relative path counts as unset.
        if let base = environment["XDG_CACHE_HOME"], base.hasPrefix("/") { return base + "/labrun" }
        let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        return (home ?? NSHomeDirectoryForUser(NSUserName()) ?? "/") + "/.cache/labrun"
    }

    /// Returns the image of a kernel series and the guest binaries at hand. It comes from the cache if it is there
    /// (without network and lock, in milliseconds), else it is built now.
    ///
    /// - Parameters:
    ///   - kernel: `5.10`, `6.1`, `6.12` or `7.2`.
    ///   - refresh: Whether the archive is asked for a newer kernel of the series first.
    /// - Throws: ``ImageError``. The cache is then as it was before.
    public func ensure(
        kernel: String = KernelSeries.standard.rawValue, refresh: Bool = false, progress: Progress? = nil
    ) async throws -> NodeImageArtifact {
        try await ensure(ImageRecipe(series: try KernelSeries(parsing: kernel)), refresh: refresh, progress: progress)
    }

    /// Returns the image of a recipe of the caller's own, in the same way.
    public func ensure(
        _ recipe: ImageRecipe, refresh: Bool = false, progress: Progress? = nil
    ) async throws -> NodeImageArtifact {
        let guest = try GuestBinaries.locate(in: guestDirectories, withChecks: recipe.hasChecks)
        if !refresh, let artifact = cached(recipe, guest) { return artifact }

        try cache.makeDirectories()
        return try await ImageLock.hold(cache.lockFile, waiting: { progress?(.waitingForOtherBuild) }) {
            if !refresh, let artifact = cached(recipe, guest) { return artifact }
            // Whoever holds the lock is the only builder, so work in progress belongs to a build that was killed.
            try cache.clearScratch()
            defer { try? cache.clearScratch() }
            let artifact = try await build(recipe, guest, refresh: refresh, progress)
            progress?(.ready(digest: artifact.digest))
            return artifact
        }
    }

    static func digest(_ recipe: ImageRecipe, _ kernel: ResolvedKernel, _ guest: GuestBinaries) -> String {
        let lines =
            [
                "labrun node image \(ImageRecipe.version)",
                "kernel \(KernelTree.digest(of: recipe, kernel))",
                "labnode \(guest.labnode.sha256)",
                "datapathd \(guest.datapathd.sha256)",
            ] + (guest.labverify.map { ["labverify \($0.sha256)"] } ?? [])
        return SHA256Digest.hex(of: Array(lines.joined(separator: "\n").utf8))
    }

    // MARK: Building, with the lock held

    private func build(
        _ recipe: ImageRecipe, _ guest: GuestBinaries, refresh: Bool, _ progress: Progress?
    ) async throws -> NodeImageArtifact {
        let (kernel, tree) = try await kernelTree(recipe, refresh: refresh, progress)
        let digest = Self.digest(recipe, kernel, guest)
        let place = cache.image(digest)
        if let manifest = ImageManifest.load(place) { return manifest.artifact(in: place) }

        progress?(.writingInitramfs)
        let output = try cache.makeScratch()
        let treePlace = cache.kernel(KernelTree.digest(of: recipe, kernel))
        let initramfs = Initramfs(
            release: kernel.release, modules: tree.modules, modulesOnDemand: tree.modulesOnDemand,
            demandIndex: tree.demandIndex, modulesDirectory: treePlace + "/modules", guest: guest, imageDigest: digest)
        let sink = DigestingSink(try makeSink(output + "/initrd.cpio"))
        try initramfs.write(to: sink)
        try sink.finish()
        // All images with the same kernel share it.
        do throws(SystemError) {
            try check("link", output + "/kernel") { link(treePlace + "/kernel", output + "/kernel") }
        } catch {
            throw ImageError.cache(error, "linking the kernel")
        }
        let manifest = ImageManifest(
            digest: digest, recipe: recipe, kernel: kernel, labnodeSHA256: guest.labnode.sha256,
            datapathdSHA256: guest.datapathd.sha256, labverifySHA256: guest.labverify?.sha256,
            kernelBytes: tree.kernelBytes, initrdBytes: sink.bytes,
            initrdSHA256: sink.sha256)
        let description = try makeSink(output + "/manifest.json")
        try JSONEncoder.stable.encode(manifest).withUnsafeBytes { try description.write($0) }
        try description.finish()
        try cache.publish(output, as: place)
        return manifest.artifact(in: place)
    }

    /// Returns the kernel of a recipe, ready for nodes. It comes from the cache, from cached packages, or from the
    /// archive.
    private func kernelTree(
        _ recipe: ImageRecipe, refresh: Bool, _ progress: Progress?
    ) async throws -> (ResolvedKernel, KernelTree) {
        let scratch = try cache.makeScratch()
        var known = refresh ? nil : resolved(recipe.series)
        if let kernel = known {
            if let tree = KernelTree.load(cache.kernel(KernelTree.digest(of: recipe, kernel))) { return (kernel, tree) }
            if kernel.packages.contains(where: { ImageCache.size(of: cache.deb($0)) != $0.bytes }) { known = nil }
        }
        let kernel: ResolvedKernel
        if let known {
            kernel = known
        } else {
            progress?(.resolving(recipe.series))
            kernel = try await source.resolve(recipe.series, scratch: scratch)
            try await fetch(kernel.packages, scratch: scratch, progress)
            try cache.writeAtomically(
                JSONEncoder.stable.encode(kernel), to: cache.resolved(recipe.series), makeSink: makeSink)
        }
        let place = cache.kernel(KernelTree.digest(of: recipe, kernel))
        if let tree = KernelTree.load(place) { return (kernel, tree) }

        progress?(.unpackingKernel(release: kernel.release))
        try verify(kernel.packages)
        let output = try cache.makeScratch()
        try await KernelTreeBuilder(recipe: recipe, kernel: kernel, makeSink: makeSink)
            .build(debs: kernel.packages.map(cache.deb), scratch: scratch, output: output)
        try cache.publish(output, as: place)
        guard let tree = KernelTree.load(place) else {
            throw ImageError(.cacheUnusable, "\(place) is not readable right after it was written")
        }
        return (kernel, tree)
    }

    /// Checks cached packages once more. A broken one is removed, so that the next run downloads it again.
    func verify(_ packages: [DebianPackage]) throws {
        for package in packages {
            let deb = cache.deb(package)
            do {
                try package.verify(deb)
            } catch {
                try ImageCache.remove(deb)
                throw error
            }
        }
    }

    /// Downloads the packages that the cache lacks; each is checked before it gets its place.
    func fetch(_ packages: [DebianPackage], scratch: String, _ progress: Progress?) async throws {
        let missing = packages.filter { ImageCache.size(of: cache.deb($0)) != $0.bytes }
        guard !missing.isEmpty else { return }
        progress?(
            .downloading(packages: missing.map(\.name), bytes: missing.reduce(0) { $0 + $1.bytes }))
        for (package, file) in zip(missing, try await source.download(missing, scratch: scratch)) {
            try package.verify(file)
            try ImageCache.sync(file)
            try cache.publish(file, as: cache.deb(package))
        }
    }

    func resolved(_ series: KernelSeries) -> ResolvedKernel? {
        FileManager.default.contents(atPath: cache.resolved(series))
            .flatMap { try? JSONDecoder().decode(ResolvedKernel.self, from: $0) }
    }

    func cached(_ recipe: ImageRecipe, _ guest: GuestBinaries) -> NodeImageArtifact? {
        guard let kernel = resolved(recipe.series) else { return nil }
        let place = cache.image(Self.digest(recipe, kernel, guest))
        return ImageManifest.load(place)?.artifact(in: place)
    }
}
