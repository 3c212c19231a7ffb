#!/bin/sh
# Fetches the built NHS.UK styles and scripts into mpi/web/static/nhsuk, from the npm package of that name.
# What is left out: source maps, and the font and logo, which only NHS bodies may use. The fonts' addresses on a
# foreign host are taken out of the styles; addresses of images become relative.
set -eu
version=10.6.1  # the one that the templates of nhsuk-frontend-jinja 0.10.2 were made for
target=mpi/web/static/nhsuk

command -v npm >/dev/null 2>&1 || { echo "make assets needs npm" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --pack-destination "$folder" "nhsuk-frontend@$version" >/dev/null
tar -xzf "$folder/nhsuk-frontend-$version.tgz" -C "$folder"
built="$folder/package/dist/nhsuk"

mkdir -p "$target/images"
sed -e 's/@font-face{[^}]*}//g' -e 's#url(/assets/images/#url(images/#g' -e '/sourceMappingURL/d' \
    "$built/nhsuk-frontend.min.css" >"$target/nhsuk-frontend.min.css"
sed -e 's,//# sourceMappingURL=.*,,' "$built/nhsuk-frontend.min.js" >"$target/nhsuk-frontend.min.js"
for icon in arrow-down arrow-up arrow-up-down cross; do
    cp "$built/assets/images/nhsuk-icon-$icon.svg" "$target/images/"
done
echo "$version" >"$target/VERSION"
if grep -l 'https\?://assets' "$target"/*.css; then
    echo "the styles still name a foreign host" >&2
    exit 1
fi
echo "nhsuk-frontend $version lies in $target; read its licence before a change of version"
