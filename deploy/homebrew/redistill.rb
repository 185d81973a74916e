# Template: the release workflow fills in VERSION, and the sums of the archives.
class Redistill < Formula
  desc "In-memory cache server that speaks Redis's protocol"
  homepage "https://github.com/OWNER/redistill"
  version "VERSION"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "https://github.com/OWNER/redistill/releases/download/vVERSION/redistill-VERSION-aarch64-apple-darwin.tar.gz"
      sha256 "SHA256_AARCH64_APPLE_DARWIN"
    end
    on_intel do
      url "https://github.com/OWNER/redistill/releases/download/vVERSION/redistill-VERSION-x86_64-apple-darwin.tar.gz"
      sha256 "SHA256_X86_64_APPLE_DARWIN"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/OWNER/redistill/releases/download/vVERSION/redistill-VERSION-aarch64-unknown-linux-musl.tar.gz"
      sha256 "SHA256_AARCH64_UNKNOWN_LINUX_MUSL"
    end
    on_intel do
      url "https://github.com/OWNER/redistill/releases/download/vVERSION/redistill-VERSION-x86_64-unknown-linux-musl.tar.gz"
      sha256 "SHA256_X86_64_UNKNOWN_LINUX_MUSL"
    end
  end

  def install
    bin.install "redistill", "redistill-benchmark"
    man1.install "redistill.1"
    bash_completion.install "redistill.bash" => "redistill"
    zsh_completion.install "_redistill"
    fish_completion.install "redistill.fish"
    (etc/"redistill").install "redistill.toml"
  end

  service do
    run [opt_bin/"redistill", "--config", etc/"redistill/redistill.toml"]
    keep_alive true
    log_path var/"log/redistill.log"
    error_log_path var/"log/redistill.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/redistill --version")
    system bin/"redistill", "--check-config"
  end
end
