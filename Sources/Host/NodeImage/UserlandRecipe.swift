import Digest
import Foundation

/// What goes into the read-only userland disk: Debian packages, without the parts that only an installed system needs.
/// Equal recipes and equal packages give equal disks, byte for byte.
public struct UserlandRecipe: Sendable, Codable, Equatable {
    /// The Debian release from whose main archive the packages come.
    public let suite: String
    /// The packages' names. Their dependencies are added, recommended packages are not.
    public let packages: [String]
    /// Prefixes of the names of dependencies that no program on the disk runs: those of maintainer scripts, and Perl.
    public let leftOut: [String]
    /// Paths below the root that are removed.
    public let removed: [String]
    /// busybox applets that get a name of their own in `usr/bin`, unless a package brings a program of that name.
    public let applets: [String]
    /// The symbolic links that Debian's alternatives would make, as path → target.
    public let links: [String: String]
    /// What a user adds; nil in the disk of everybody.
    public internal(set) var added: Added?

    /// The version counts up with every change to how a disk is made.
    static let version = 1

    /// The disk that `labrun` attaches.
    public static let standard = UserlandRecipe(
        suite: "bookworm",
        packages: [
            "busybox", "curl", "bind9-dnsutils", "dnsmasq-base", "iproute2", "iptables", "nftables", "ipset",
            "conntrack",
            "iperf3", "tcpdump",
        ],
        leftOut: [
            "adduser", "ca-certificates", "debconf", "dpkg", "gcc-12-base", "init-system-helpers", "libaudit",
            "libcap2-bin", "libdb5", "libfile-find", "libgdbm", "libnumber", "libpam", "libperl", "libsemanage",
            "libsepol", "libtext-glob", "openssl", "passwd", "perl", "tar", "usrmerge",
        ],
        removed: [
            "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug",
            "usr/share/info", "usr/share/bash-completion", "usr/share/doc-base", "usr/share/dbus-1",
            "usr/share/initramfs-tools",
            "usr/lib/x86_64-linux-gnu/gconv", "etc/init.d", "etc/default", "etc/apparmor.d", "etc/cron.daily",
            "var/lib/dpkg",
        ],
        applets: [
            "arp", "ash", "awk", "base64", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df",
            "diff", "dirname", "dmesg", "du", "echo", "env", "expr", "false", "find", "free", "grep", "gunzip", "gzip",
            "head", "hexdump", "hostname", "httpd", "id", "ifconfig", "ipcalc", "kill", "less", "ln", "logger", "ls",
            "lsmod", "md5sum", "mkdir", "mkfifo", "mknod", "mktemp", "mount", "mv", "nc", "netstat", "nproc", "nsenter",
            "od", "paste", "pidof", "ping", "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir", "route",
            "sed",
            "seq", "setsid", "sh", "sha256sum", "shuf", "sleep", "sort", "stat", "strings", "stty", "sync", "sysctl",
            "tac", "tail", "tar", "tee", "telnet", "test", "time", "timeout", "top", "touch", "tr", "traceroute",
            "true",
            "truncate", "tty", "umount", "uname", "uniq", "unlink", "uptime", "usleep", "vi", "watch", "wc", "wget",
            "which", "whoami", "xargs", "xxd", "yes", "zcat",
        ],
        links: [
            "usr/sbin/iptables": "iptables-nft", "usr/sbin/iptables-save": "iptables-nft-save",
            "usr/sbin/iptables-restore": "iptables-nft-restore", "usr/sbin/ip6tables": "ip6tables-nft",
            "usr/sbin/ip6tables-save": "ip6tables-nft-save", "usr/sbin/ip6tables-restore": "ip6tables-nft-restore",
        ])

    /// Whether a package that others depend on is left out. What is asked for by name never is.
    func leavesOut(_ package: String) -> Bool {
        !wanted.contains(package) && leftOut.contains(where: package.hasPrefix)
    }

    /// Directories that programs and mounts expect and that no package brings.
    static let directories: [String: mode_t] = [
        "dev": 0o755, "proc": 0o755, "sys": 0o755, "run": 0o755, "root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777,
        "var/log": 0o755, "var/lib/misc": 0o755, "etc": 0o755, "bin": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755,
    ]

    /// Small files that no package brings.
    static let files = [
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "etc/group": "root:x:0:\nnogroup:x:65534:\n",
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "etc/resolv.conf": "", "etc/hosts": "127.0.0.1 localhost\n", "etc/hostname": "",
    ]
}

/// The packages that a userland recipe stood for when the archive was last asked.
struct ResolvedUserland: Sendable, Codable, Equatable {
    let recipe: UserlandRecipe
    /// The packages, sorted by name.
    let packages: [DebianPackage]

    /// SHA-256 over every input, 64 hexadecimal characters: the disk's name.
    var digest: String {
        var lines = ["labrun userland \(UserlandRecipe.version)"]
        lines += packages.map { "package \($0.name) \($0.version) \($0.sha256)" }
        lines += recipe.removed.sorted().map { "removed \($0)" }
        lines += recipe.applets.sorted().map { "applet \($0)" }
        lines += recipe.links.sorted { $0.key < $1.key }.map { "link \($0.key) \($0.value)" }
        lines += (recipe.added?.binaries ?? []).map { "binary \($0.name) \($0.sha256)" }
        lines += UserlandRecipe.directories.sorted { $0.key < $1.key }.map { "directory \($0.key) \($0.value)" }
        lines += UserlandRecipe.files.sorted { $0.key < $1.key }.map { "file \($0.key) \($0.value)" }
        return SHA256Digest.hex(of: Array(lines.joined(separator: "\n").utf8))
    }
}

/// A userland disk in the cache, complete and ready to be attached.
public struct UserlandArtifact: Sendable, Equatable, Codable {
    /// SHA-256 over every input, 64 hexadecimal characters: the disk's name.
    public let digest: String
    /// The squashfs file. Its size is a multiple of 4096, so it can be attached as a raw, read-only disk.
    public let path: String
    public let bytes: Int
    /// `name version` of each package that the recipe names, in the recipe's order.
    public let packages: [String]

    /// The first twelve characters of ``digest``, for people.
    public var shortDigest: String { String(digest.prefix(12)) }
}

/// What `manifest.json` beside a disk holds.
struct UserlandManifest: Sendable, Codable, Equatable {
    let digest: String
    let userland: ResolvedUserland
    let bytes: Int
    let sha256: String

    static let disk = "userland.squashfs"

    /// Reads the manifest in `directory`. The result is nil unless the disk is complete.
    static func load(_ directory: String) -> UserlandManifest? {
        guard let data = FileManager.default.contents(atPath: directory + "/manifest.json"),
            let manifest = try? JSONDecoder().decode(UserlandManifest.self, from: data),
            ImageCache.size(of: "\(directory)/\(disk)") == manifest.bytes
        else { return nil }
        return manifest
    }

    func artifact(in directory: String) -> UserlandArtifact {
        let versions = Dictionary(userland.packages.map { ($0.name, $0.version) }) { first, _ in first }
        return UserlandArtifact(
            digest: digest, path: "\(directory)/\(Self.disk)", bytes: bytes,
            packages: userland.recipe.wanted.compactMap { name in versions[name].map { "\(name) \($0)" } })
    }
}
