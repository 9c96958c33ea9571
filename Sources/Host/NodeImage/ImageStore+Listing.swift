import Foundation

extension ImageStore {
    /// What `prune` removed.
    public struct PruneResult: Sendable, Equatable {
        /// Digests of removed images.
        public let images: [String]
        /// Digests of removed userland disks.
        public let userlands: [String]
        /// Space given back, in bytes, kernels and packages included.
        public let bytes: Int
    }

    /// Complete images in the cache, by series, newest first.
    public func list() throws -> [NodeImageArtifact] {
        let found = try ImageCache.names(in: cache.images).compactMap { name -> (NodeImageArtifact, Date)? in
            let place = cache.image(name)
            guard let manifest = ImageManifest.load(place) else { return nil }
            let made = (try? FileManager.default.attributesOfItem(atPath: place)[.modificationDate]) as? Date
            return (manifest.artifact(in: place), made ?? .distantPast)
        }
        return found.sorted { left, right in
            left.0.series != right.0.series
                ? left.0.series < right.0.series : (right.1, left.0.digest) < (left.1, right.0.digest)
        }.map(\.0)
    }

    /// Digests that `ensure` would answer with now, without building: the images of today's guest binaries, those that
    /// check the datapath too.
    public func current() -> Set<String> {
        let digests = [false, true].flatMap { hasChecks -> [String] in
            guard let guest = try? GuestBinaries.locate(in: guestDirectories, withChecks: hasChecks) else { return [] }
            return KernelSeries.allCases.compactMap {
                cached(ImageRecipe(series: $0, hasChecks: hasChecks), guest)?.digest
            }
        }
        return Set(digests)
    }

    /// Removes every image whose digest is not in `keeping`, userland disks that are not the current one, incomplete
    /// ones, leftovers of killed builds, and the kernels and packages that no kept image and, unless `everything`, no
    /// known series needs.
    ///
    /// A running lab has its image open already, but cannot boot further nodes from a removed one.
    @discardableResult
    public func prune(
        keeping: Set<String>, everything: Bool = false, progress: Progress? = nil
    ) async throws -> PruneResult {
        guard FileManager.default.fileExists(atPath: cache.root) else {
            return PruneResult(images: [], userlands: [], bytes: 0)
        }
        try cache.makeDirectories()
        return try await ImageLock.hold(cache.lockFile, waiting: { progress?(.waitingForOtherBuild) }) {
            let before = Self.diskUsage(cache.root)
            try cache.clearScratch()
            var kernels: Set<String> = []
            var packages: Set<String> = []
            var removed: [String] = []
            for name in try ImageCache.names(in: cache.images) {
                if keeping.contains(name), let manifest = ImageManifest.load(cache.image(name)) {
                    kernels.insert(KernelTree.digest(of: manifest.recipe, manifest.kernel))
                    packages.formUnion(manifest.kernel.packages.map(\.sha256))
                } else {
                    // Renamed first: an image is whole or gone, also if this is killed.
                    let doomed = "\(cache.scratch)/\(name)"
                    try ImageCache.rename(cache.image(name), doomed)
                    try ImageCache.remove(doomed)
                    removed.append(name)
                }
            }
            for series in KernelSeries.allCases {
                guard let kernel = resolved(series) else { continue }
                let digest = KernelTree.digest(of: ImageRecipe(series: series), kernel)
                if everything, !kernels.contains(digest) {
                    try ImageCache.remove(cache.resolved(series))
                } else {
                    kernels.insert(digest)
                    packages.formUnion(kernel.packages.map(\.sha256))
                }
            }
            let userlands = try pruneUserlands(everything: everything, packages: &packages)
            for name in try ImageCache.names(in: cache.kernels) where !kernels.contains(name) {
                try ImageCache.remove(cache.kernel(name))
            }
            for name in try ImageCache.names(in: cache.debs) where !packages.contains(String(name.prefix(64))) {
                try ImageCache.remove("\(cache.debs)/\(name)")
            }
            return PruneResult(
                images: removed, userlands: userlands, bytes: max(0, before - Self.diskUsage(cache.root)))
        }
    }

    /// Removes the disks that `ensureUserland` would not answer with; `everything`: all. Answers the digests of removed
    /// ones and adds the packages that stay needed.
    private func pruneUserlands(everything: Bool, packages: inout Set<String>) throws -> [String] {
        let kept = everything ? nil : resolvedUserland()
        if let kept { packages.formUnion(kept.packages.map(\.sha256)) }
        if everything { try ImageCache.remove(cache.resolvedUserland) }
        var removed: [String] = []
        for name in try ImageCache.names(in: cache.userlands) where name != kept?.digest {
            let doomed = "\(cache.scratch)/userland-\(name)"
            try ImageCache.rename(cache.userland(name), doomed)
            try ImageCache.remove(doomed)
            removed.append(name)
        }
        return removed
    }

    /// Bytes on disk below a directory; a file with several names counts once.
    static func diskUsage(_ root: String) -> Int {
        guard let walk = FileManager.default.enumerator(atPath: root) else { return 0 }
        var seen: Set<UInt64> = []
        var bytes = 0
        for case let name as String in walk {
            var status = stat()
            guard lstat("\(root)/\(name)", &status) == 0, seen.insert(UInt64(status.st_ino)).inserted else { continue }
            bytes += Int(status.st_blocks) * 512
        }
        return bytes
    }
}
