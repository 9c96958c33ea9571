import Digest

/// How the Kubernetes servers of labs are made: Debian's source package of Kubernetes, compiled with Debian's Go into
/// one program, with etcd and kubectl out of Debian's packages beside it. Equal recipes and equal packages give equal
/// programs, byte for byte.
public struct ControlPlaneRecipe: Sendable, Codable, Equatable {
    /// The Debian release from whose main archive source and packages come.
    public let suite: String
    /// The name of the source package that has the servers' sources.
    public let sourcePackage: String
    /// The version that the servers tell, for example `1.20.2`. The folder of the upstream tarball has it in its name.
    public let version: String
    /// The upstream commit of ``version``, which the servers tell.
    public let commit: String
    /// The date that the servers tell, that of ``commit``, for example `2021-01-13T13:20:00Z`.
    public let date: String
    /// The packages that are unpacked: the compiler, its library's sources, a library that replaces a vendored one,
    /// etcd and kubectl.
    public let packages: [String]
    /// Go's build tags.
    public let tags: [String]
    /// Folders of the tarball that neither the servers nor what generates their code needs.
    public let leftOut: [String]

    /// The version counts up with every change to how the programs are made.
    static let version = 1

    /// What labs start.
    public static let standard = ControlPlaneRecipe(
        suite: "bookworm", sourcePackage: "kubernetes", version: "1.20.2",
        commit: "faecb196815e248d3ecfb03c680a4507229c2a56", date: "2021-01-13T13:20:00Z",
        packages: [
            "golang-1.19-go", "golang-1.19-src", "golang-github-modern-go-reflect2-dev", "etcd-server",
            "kubernetes-client",
        ],
        // Without the drivers of clouds' disks and of Docker, which a control plane in a lab has no use for.
        tags: ["providerless", "dockerless"],
        leftOut: ["CHANGELOG", "LICENSES", "api/openapi-spec", "cluster", "docs", "logo", "test", "translations"])

    /// The names of the programs of a finished folder. The servers are links to ``binary``.
    public static let servers = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    /// The one program of all servers.
    static let binary = "kube-servers"
    /// The programs that packages bring, as package → path inside it.
    static let prebuilt = ["etcd-server": "usr/bin/etcd", "kubernetes-client": "usr/bin/kubectl"]

    /// Flags of the compiler for every package. Debugging tables are a quarter of the compiler's work, and the linker
    /// throws them away.
    static let compilerFlags = "all=-dwarf=false"

    /// Flags of the linker: no symbols, and the version that the servers tell.
    var linkerFlags: String {
        let parts = version.split(separator: ".")
        let values = [
            "gitVersion=v\(version)", "gitMajor=\(parts.first ?? "")", "gitMinor=\(parts.dropFirst().first ?? "")",
            "gitTreeState=clean", "gitCommit=\(commit)", "buildDate=\(date)",
        ]
        let places = ["component-base/version", "client-go/pkg/version"].map { "k8s.io/kubernetes/vendor/k8s.io/\($0)" }
        return (["-s", "-w"] + places.flatMap { place in values.map { "-X \(place).\($0)" } }).joined(separator: " ")
    }

    /// The main package of the one program, which is the server by whose name it is called.
    static let main = """
        package main

        import (
        	"fmt"
        	"math/rand"
        	"os"
        	"path/filepath"
        	"time"

        	"github.com/spf13/cobra"
        	"github.com/spf13/pflag"

        	cliflag "k8s.io/component-base/cli/flag"
        	"k8s.io/component-base/logs"
        	_ "k8s.io/component-base/metrics/prometheus/clientgo"
        	_ "k8s.io/component-base/metrics/prometheus/version"
        	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
        	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
        	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
        )

        func main() {
        	rand.Seed(time.Now().UnixNano())
        	var command *cobra.Command
        	switch name := filepath.Base(os.Args[0]); name {
        	case "kube-apiserver":
        		command = apiserver.NewAPIServerCommand()
        	case "kube-controller-manager":
        		command = controllermanager.NewControllerManagerCommand()
        	case "kube-scheduler":
        		command = scheduler.NewSchedulerCommand()
        		pflag.CommandLine.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
        	default:
        		fmt.Fprintf(os.Stderr, "%s is the name of no server\\n", name)
        		os.Exit(2)
        	}
        	logs.InitLogs()
        	defer logs.FlushLogs()
        	if err := command.Execute(); err != nil {
        		os.Exit(1)
        	}
        }

        """
}

/// One file of a Debian source package as the archive's signed index names it.
struct DebianSourceFile: Sendable, Codable, Equatable {
    let name: String
    /// The SHA-256, in lower-case hexadecimal.
    let sha256: String
    let bytes: Int
}

/// A Debian source package.
struct DebianSource: Sendable, Codable, Equatable {
    let name: String
    let version: String
    /// The tarballs, sorted by name. The description (`.dsc`) is not among them: the index says the same.
    let files: [DebianSourceFile]

    /// The tarball as upstream released it.
    var upstream: DebianSourceFile? { files.first { $0.name.contains(".orig.tar.") } }
    /// What Debian adds: its patches, among others.
    var additions: DebianSourceFile? { files.first { $0.name.contains(".debian.tar.") } }
}

/// The packages that a recipe stood for when the archive was last asked.
struct ResolvedControlPlane: Sendable, Codable, Equatable {
    let recipe: ControlPlaneRecipe
    let source: DebianSource
    /// The packages, in the recipe's order.
    let packages: [DebianPackage]

    /// SHA-256 over every input, 64 hexadecimal characters: the name of the folder with the programs.
    var digest: String {
        var lines = ["labrun control plane \(ControlPlaneRecipe.version)"]
        lines += ["version \(recipe.version) \(recipe.commit) \(recipe.date)"]
        lines += source.files.map { "source \(source.version) \($0.name) \($0.sha256)" }
        lines += packages.map { "package \($0.name) \($0.version) \($0.sha256)" }
        lines += recipe.tags.map { "tag \($0)" } + recipe.leftOut.map { "left out \($0)" }
        lines += ["compiler \(ControlPlaneRecipe.compilerFlags)", "linker \(recipe.linkerFlags)"]
        lines += ["main \(SHA256Digest.hex(of: Array(ControlPlaneRecipe.main.utf8)))"]
        return SHA256Digest.hex(of: Array(lines.joined(separator: "\n").utf8))
    }

    func package(_ name: String) throws(ImageError) -> DebianPackage {
        guard let package = packages.first(where: { $0.name == name }) else {
            throw ImageError(.packagesUnusable, "the recipe of the control plane lacks the package \(name)")
        }
        return package
    }
}
