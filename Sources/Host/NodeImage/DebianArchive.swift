import Foundation

/// Debian's package archive, asked through `apt` with a state of its own. It needs no root, and nothing of the host's
/// apt changes.
///
/// apt checks the index against the signature of Debian's archive keyring, and the packages against the index.
struct DebianArchive: DebianPackageSource {
    /// For example `http://deb.debian.org/debian`. If it is nil, the host's own Debian mirror is taken, or else that
    /// one.
    let mirror: String?
    private static let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    private static let standardMirror = "http://deb.debian.org/debian"

    func resolve(_ series: KernelSeries, scratch: String) async throws -> ResolvedKernel {
        try await refreshIndex(of: series.suite, scratch: scratch)
        let meta = try await show("linux-image-cloud-amd64", scratch)
        guard let image = meta.dependencies.first(where: { $0.hasPrefix("linux-image-") }) else {
            throw ImageError(.kernelPackageUnusable, "linux-image-cloud-amd64 names no kernel in \(series.suite)")
        }
        let release = String(image.dropFirst("linux-image-".count))
        guard series.covers(release: release) else {
            throw ImageError(
                .kernelPackageUnusable, "Debian \(series.suite) has kernel \(release) now, not \(series.rawValue)",
                mend: "use another --kernel")
        }
        let top = try await show(image, scratch)
        // Since 7.2 the kernel, its modules and the modules' lists are packages of their own.
        let parts = ["linux-base-", "linux-binary-", "linux-modules-"].map { $0 + release }
            .filter(top.dependencies.contains)
        var packages = [try top.package()]
        for part in parts { packages.append(try await show(part, scratch).package()) }
        return ResolvedKernel(series: series, release: release, version: packages[0].version, packages: packages)
    }

    func resolve(_ userland: UserlandRecipe, scratch: String) async throws -> ResolvedUserland {
        try await refreshIndex(of: userland.suite, scratch: scratch)
        let plan: String
        do {
            // With nothing installed (Dir::State::status), the plan lists all packages that are needed.
            let words = ["-c", scratch + "/apt.conf", "-s", "--no-install-recommends", "install"]
            plan = try await BuildTool.run("apt-get", words + userland.wanted)
        } catch let error as ImageError where error.code == .toolFailed {
            if userland.added != nil {
                let known = try await names(scratch)
                let unknown = Set(userland.wanted).subtracting(known)
                guard unknown.isEmpty else {
                    throw UnknownPackages(suite: userland.suite, names: unknown.sorted(), known: known)
                }
            }
            throw ImageError(
                .packagesUnusable, "Debian \(userland.suite) has no such userland", mend: nil, cause: error)
        }
        let wanted = Self.planned(plan).filter { !userland.leavesOut($0.name) }
        let found = try await entries(of: wanted.map { "\($0.name)=\($0.version)" }, scratch)
        let packages = try wanted.map { one in
            guard let package = found[one.name], package.version == one.version else {
                throw ImageError(.packagesUnusable, "the archive's index has no entry for \(one.name) \(one.version)")
            }
            return package
        }
        return ResolvedUserland(recipe: userland, packages: packages.sorted { $0.name < $1.name })
    }

    /// Returns the names of all packages in the index, some 60,000.
    private func names(_ scratch: String) async throws -> [String] {
        try await BuildTool.run("apt-cache", ["-c", scratch + "/apt.conf", "pkgnames"])
            .split(whereSeparator: \.isNewline).map(String.init).sorted()
    }

    /// Reads the packages of a simulated installation from its lines `Inst NAME (VERSION …`, in their order.
    static func planned(_ output: String) -> [(name: String, version: String)] {
        output.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 3, words[0] == "Inst", let version = words.first(where: { $0.hasPrefix("(") }) else {
                return nil
            }
            let name = words[1].split(separator: ":").first ?? words[1]
            return (String(name), String(version.dropFirst()))
        }
    }

    func download(_ packages: [DebianPackage], scratch: String) async throws -> [String] {
        do {
            try await apt("apt-get", ["-qq", "download"] + packages.map { "\($0.name)=\($0.version)" }, scratch)
        } catch let error as ImageError where error.code == .toolFailed {
            throw Self.download(of: "the packages", failed: error)
        }
        let files = try ImageCache.names(in: scratch).filter { $0.hasSuffix(".deb") }
        return try packages.map { package in
            guard let file = files.first(where: { $0.hasPrefix(package.name + "_") }) else {
                throw ImageError(.downloadFailed, "apt-get download left no file for \(package.name)")
            }
            return "\(scratch)/\(file)"
        }
    }

    // MARK: apt

    static func download(of what: String, failed error: ImageError) -> ImageError {
        let corrupt = ["Hash Sum mismatch", "unexpected size"].contains(where: error.message.contains)
        return ImageError(
            corrupt ? .corruptDownload : .downloadFailed, "\(what) could not be downloaded",
            mend: "check the network and run it again", cause: error)
    }

    /// Returns the index entries of packages, each given as `NAME` or `NAME=VERSION`, by name.
    func entries(of packages: [String], _ scratch: String) async throws -> [String: DebianPackage] {
        let words = ["-c", scratch + "/apt.conf", "show", "--no-all-versions"]
        let text = try await BuildTool.run("apt-cache", words + packages)
        var found: [String: DebianPackage] = [:]
        for stanza in PackageStanza.all(in: text) {
            let package = try stanza.package()
            found[package.name] = package
        }
        return found
    }

    /// Fetches the signed index of a suite into `scratch`, that of its sources, too, if `sources` says so.
    func refreshIndex(of suite: String, sources: Bool = false, scratch: String) async throws {
        guard FileManager.default.isReadableFile(atPath: Self.keyring) else {
            throw ImageError(
                .toolMissing, "Debian's archive keyring is not installed",
                mend: "apt-get install debian-archive-keyring")
        }
        let mirror = if let mirror { mirror } else { await Self.hostMirror() }
        try writeConfiguration(scratch, mirror: mirror, suite: suite, sources: sources)
        do {
            try await apt("apt-get", ["-qq", "update", "-o", "APT::Update::Error-Mode=any"], scratch)
        } catch let error as ImageError where error.code == .toolFailed {
            throw ImageError(
                .downloadFailed, "the package index of Debian \(suite) could not be had from \(mirror)",
                mend: "check the network, or set LABRUN_DEBIAN_MIRROR", cause: error)
        }
    }

    func apt(_ tool: String, _ arguments: [String], _ scratch: String) async throws {
        try await BuildTool.run(tool, ["-c", scratch + "/apt.conf"] + arguments, in: scratch)
    }

    private func show(_ package: String, _ scratch: String) async throws -> PackageStanza {
        let words = ["-c", scratch + "/apt.conf", "show", "--no-all-versions", package]
        let text: String
        do {
            text = try await BuildTool.run("apt-cache", words)
        } catch let error as ImageError where error.code == .toolFailed {
            throw ImageError(.kernelPackageUnusable, "the archive has no package \(package)", cause: error)
        }
        return PackageStanza(text)
    }

    /// Writes a configuration that apt reads after the host's own. A proxy that the host sets still counts, but none of
    /// its sources, pins, hooks and extra indexes do.
    private func writeConfiguration(_ scratch: String, mirror: String, suite: String, sources: Bool) throws {
        for directory in ["lists/partial", "archives/partial"] {
            try ImageCache.makeDirectory("\(scratch)/apt/\(directory)")
        }
        var source = "deb [arch=amd64 target=Packages signed-by=\(Self.keyring)] \(mirror) \(suite) main\n"
        if sources { source += "deb-src [target=Sources signed-by=\(Self.keyring)] \(mirror) \(suite) main\n" }
        for (name, text) in [("sources.list", source), ("apt.conf", Self.configuration(scratch))] {
            let sink = try FileSink("\(scratch)/\(name)")
            try sink.write(text)
            try sink.finish()
        }
    }

    /// The text of this `apt.conf`, with the lists and archives below a folder.
    static func configuration(_ scratch: String) -> String {
        """
        Dir::State "\(scratch)/apt";
        Dir::State::Lists "\(scratch)/apt/lists";
        Dir::State::status "/dev/null";
        Dir::Cache "\(scratch)/apt";
        Dir::Cache::Archives "\(scratch)/apt/archives";
        Dir::Etc::SourceList "\(scratch)/sources.list";
        Dir::Etc::SourceParts "/dev/null";
        Dir::Etc::Preferences "/dev/null";
        Dir::Etc::PreferencesParts "/dev/null";
        APT::Architecture "amd64";
        #clear APT::Architectures;
        APT::Architectures { "amd64"; };
        #clear APT::Update::Pre-Invoke;
        #clear APT::Update::Post-Invoke;
        #clear APT::Update::Post-Invoke-Success;
        \(Self.signatures.joined(separator: "\n"))
        Acquire::Languages "none";
        Acquire::Retries "2";
        APT::Sandbox::User "root";

        """
    }

    /// Settings of apt.conf(5) with which an archive is taken only when it is signed by one of the keyring's keys. The
    /// host's own settings may say otherwise; these are read after them.
    static let signatures = [
        "APT::Get::AllowUnauthenticated \"false\";", "Acquire::AllowInsecureRepositories \"false\";",
        "Acquire::AllowWeakRepositories \"false\";", "Acquire::AllowDowngradeToInsecureRepositories \"false\";",
    ]

    /// Returns the mirror from which the host itself takes Debian's main archive.
    private static func hostMirror() async -> String {
        let words = ["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
        let listed = (try? await BuildTool.run("apt-get", words)) ?? ""
        return mirror(in: listed) ?? standardMirror
    }

    /// Finds the first line `URI suite component` of a Debian main suite. Updates and security are other archives.
    static func mirror(in targets: String) -> String? {
        let suites: Set<Substring> = [
            "bullseye", "bookworm", "trixie", "forky", "sid", "stable", "oldstable", "testing", "unstable",
        ]
        for line in targets.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            guard words.count == 3, suites.contains(words[1]), words[2] == "main" else { continue }
            guard words[0].hasPrefix("http"), !words[0].contains("security") else { continue }
            return words[0].hasSuffix("/") ? String(words[0].dropLast()) : String(words[0])
        }
        return nil
    }
}
