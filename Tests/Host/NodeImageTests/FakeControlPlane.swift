import Digest
import Foundation
import Glibc

@testable import NodeImage

/// What the compiler in the packages of a ``FakeArchive`` does: it is a script in the place of Go's command.
enum FakeCompiler: Equatable {
    case working
    /// It says that the disk is full when it is to write the servers.
    case fullDisk
    /// It does not compile.
    case failing
    /// It opens the named pipe at this path, writes a line into it, and goes on with a process that ends in ten
    /// minutes. The pipe stays open as long as one of the two runs.
    case hanging(pipe: String)
    /// The generator's report is another one than upstream's.
    case otherReport
    /// It fails unless packages were compiled by the one before it.
    case usingCompiled

    /// The text of the script.
    var script: String {
        """
        #!/bin/sh
        set -e
        [ "$1 $2 $3" = "build -v -trimpath" ]
        [ "$GOPROXY $CGO_ENABLED" = "off 0" ]
        while [ $# -gt 0 ]; do
            if [ "$1" = -o ]; then out=$2; fi
            last=$1
            shift
        done
        echo runtime >&2
        \(self == .usingCompiled ? "[ -e \"$GOCACHE/runtime\" ]" : "touch \"$GOCACHE/runtime\"")
        case $last in
        */openapi-gen)
            \(self == .failing ? "echo '# a/package' >&2; echo 'file.go:1:1: does not compile' >&2; exit 2" : ":")
            cat > "$out" <<'END'
        #!/bin/sh
        set -e
        while [ $# -gt 0 ]; do
            case $1 in
            -i) inputs=$2 ;;
            -p) package=$2 ;;
            -r) report=$2 ;;
            esac
            shift
        done
        echo "$inputs" > "$GOPATH/src/$package/inputs"
        cp api/api-rules/violation_exceptions.list "$report"
        \(self == .otherReport ? "echo more >> \"$report\"" : "")
        END
            chmod +x "$out" ;;
        ./cmd/kube-servers)
            \(hang)
            \(self == .fullDisk ? "echo 'write $WORK/b001/main: no space left on device' >&2; exit 1" : ":")
            [ -e vendor/github.com/modern-go/reflect2/replaced.go ]
            cat cmd/kube-servers/main.go pkg/patched.go pkg/generated/openapi/inputs > "$out" ;;
        ./cmd/kubelet)
            \(hang)
            \(self == .fullDisk ? "echo 'write $WORK/b001/main: no space left on device' >&2; exit 1" : ":")
            \(self == .failing ? "echo '# a/package' >&2; echo 'file.go:1:1: does not compile' >&2; exit 2" : ":")
            [ -e vendor/github.com/modern-go/reflect2/replaced.go ]
            cat pkg/patched.go > "$out" ;;
        esac

        """
    }

    private var hang: String {
        guard case .hanging(let pipe) = self else { return ":" }
        return "exec 3> '\(pipe)'; echo started >&3; sleep 600"
    }
}

extension FakeArchive {
    private static let marked = "package x\n\n// +k8s:openapi-gen=true\ntype T struct{}\n"

    /// The files of the tarball of upstream's sources, below its top folder.
    private static let tree = [
        "pkg/patched.go": "before\n", "pkg/generated/openapi/doc.go": "package openapi\n",
        "pkg/apis/one/types.go": marked, "cmd/two/types.go": marked, "plugin/none.go": "package none\n",
        "staging/src/k8s.io/api/v1/types.go": marked, "staging/src/k8s.io/code-generator/types.go": marked,
        "staging/src/k8s.io/sample-controller/types.go": marked, "test/left-out.go": "out\n",
        "vendor/github.com/modern-go/reflect2/vendored.go": "package reflect2\n",
        "api/api-rules/violation_exceptions.list": "API rule violation: none\n",
    ]

    private static let patch = """
        --- a/pkg/patched.go
        +++ b/pkg/patched.go
        @@ -1 +1 @@
        -before
        +after

        """

    func resolve(_ controlPlane: ControlPlaneRecipe, scratch: String) async throws -> ResolvedControlPlane {
        let (mode, compiler) = state.withLock { state in
            state.asked += 1
            return (state.mode, state.compiler)
        }
        if mode == .offline { throw ImageError(.downloadFailed, "no network") }
        var packages: [DebianPackage] = []
        for name in controlPlane.packages {
            packages.append(
                try await prebuilt(
                    name,
                    [
                        "golang-1.19-go": ["usr/lib/go-1.19/bin/go": compiler.script],
                        "golang-github-modern-go-reflect2-dev": [
                            "usr/share/gocode/src/github.com/modern-go/reflect2/replaced.go": "package reflect2\n"
                        ],
                        "etcd-server": ["usr/bin/etcd": "etcd"], "kubernetes-client": ["usr/bin/kubectl": "kubectl"],
                        "containerd": [
                            "usr/bin/containerd": "containerd", "usr/bin/containerd-shim-runc-v2": "shim",
                            "usr/bin/ctr": "ctr", "usr/share/doc/containerd/copyright": "text",
                        ],
                        "runc": compiler == .otherReport ? [:] : ["usr/sbin/runc": "runc"],
                        "libseccomp2": ["usr/lib/x86_64-linux-gnu/libseccomp.so.2": "library"],
                    ][name] ?? [:]))
        }
        return ResolvedControlPlane(
            recipe: controlPlane, source: try await tarballs(of: controlPlane), packages: packages)
    }

    func download(_ source: DebianSource, scratch: String) async throws -> [String] {
        try source.files.map { file in
            var data = try Data(contentsOf: URL(filePath: "\(directory.path)/\(file.name)"))
            if state.withLock({ $0.damagesSources }) { data[data.count / 2] ^= 1 }
            let path = "\(scratch)/\(file.name)"
            try data.write(to: URL(filePath: path))
            return path
        }
    }

    /// Makes a package anew, since the compiler in it may be another one now.
    private func prebuilt(_ name: String, _ files: [String: String]) async throws -> DebianPackage {
        let deb = "\(directory.path)/\(name).deb"
        let control = """
            Package: \(name)
            Version: 1
            Architecture: amd64
            Maintainer: Nobody <nobody@example.org>
            Description: a package's shape

            """
        let root = "\(directory.path)/\(name)"
        try await build(files.merging(["DEBIAN/control": control]) { first, _ in first }, root: root, deb: deb)
        let bytes = try Data(contentsOf: URL(filePath: deb))
        return DebianPackage(name: name, version: "1", sha256: SHA256Digest.hex(of: bytes), bytes: bytes.count)
    }

    private func tarballs(of recipe: ControlPlaneRecipe) async throws -> DebianSource {
        let root = "\(directory.path)/source"
        let top = "kubernetes-1.20.2"
        try write(Self.tree, below: "\(root)/\(top)")
        try write(
            ["debian/patches/series": "# one\none.patch # done\n", "debian/patches/one.patch": Self.patch], below: root)
        var files: [DebianSourceFile] = []
        for (name, member) in [("kubernetes_1.debian.tar.xz", "debian"), ("kubernetes_1.orig.tar.gz", top)] {
            let path = "\(directory.path)/\(name)"
            try await BuildTool.run(
                "tar", ["-c", "-a", "-f", path, "--mtime=@0", "--sort=name", "-C", root, member])
            let bytes = try Data(contentsOf: URL(filePath: path))
            files.append(DebianSourceFile(name: name, sha256: SHA256Digest.hex(of: bytes), bytes: bytes.count))
        }
        return DebianSource(name: recipe.sourcePackage, version: "1.20.5+really1.20.2-1", files: files)
    }
}
